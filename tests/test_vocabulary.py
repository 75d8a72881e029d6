"""Names and messages use the words of the field: the private ones that stood here stay away."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PRIVATE = (
    "scapes?",
    "told",
    "unlikeness",
    "likeness",
    "diary",
    "watcher",
    "birthdays?",
    "birthdays_passed",
    "witness(es)?",
    "summon",
    "ballot",
    "merit",
    "deaf",
    "stuck",
    "wish(es)?",
    "wish_noise",
    "twins",
    "mates",
    "glide",
    "strangeness",
    "recognisers?",
    "heed",
    "shake",
    "merry",
    "stirred",
    "code_spread",
    "let_learn",
    "age_readers?",
    "point_readers?",
    "deceiving",
    "judges?",
    "judging",
    "judged",
    "critics?",
    "strangers?",
    "games?",
    "actor",
)
"""Whole words, in any case, and words of a snake_case or CamelCase name."""
WORD = re.compile(rf"(?<![a-z])({'|'.join(PRIVATE)})(?![a-z])", re.IGNORECASE)
CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
STREAMS = re.compile(r"draws\.\w+\(\"\w+\"|\"code_spread\"|`code_spread`")
"""Names of random streams and of saved buffers: changing them would change numbers or files."""
FOLDERS = ("commands", "engine", "recipes", "tm")
OURS = {".py", ".toml", ".css", ".html"}


def private_words(path: Path) -> list[str]:
    """`line: word` for every private word of a file."""
    rows = path.read_text(encoding="utf-8").splitlines()
    return [
        f"{number}: {match[0]}"
        for number, row in enumerate(rows, 1)
        for match in WORD.finditer(CAMEL.sub(" ", STREAMS.sub("", row)))
    ]


def test_the_search_sees_words_in_names():
    assert WORD.search("which told_device said") is not None
    assert WORD.search(CAMEL.sub(" ", "class ScapeLoss")) is not None
    assert WORD.search("landscape, misjudged, untold") is None


def test_no_file_uses_private_words():
    files = [p for top in FOLDERS for p in (ROOT / top).rglob("*") if p.suffix in OURS]
    words = {str(path.relative_to(ROOT)): private_words(path) for path in files}
    assert not {name: rows for name, rows in words.items() if rows}
