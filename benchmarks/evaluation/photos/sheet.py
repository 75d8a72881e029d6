"""A blind sheet that a person fills in, and what the answers say.

Three questions in random order: which of two pictures shows the person older, whether two pictures
show one person, and whether a picture is a photograph as it was taken. The key stands in a file of
its own. Every picture is coded alike.
"""

import base64
import csv
import html
import random
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from engine.core.atomic import write_bytes
from engine.core.errors import UsageError
from engine.metrics.bootstrap import mean_interval
from engine.photo.ageing import age_subject
from engine.photo.model import PhotoModel
from engine.photo.subject import prepare_subject
from evaluation.photos.judged import TARGETS
from evaluation.photos.portraits import Portrait

SIDE = (225, 275)
QUALITY = 92
CHANGES = (10.0, 15.0, 20.0, 30.0)
"""Years between the two pictures of the first question."""
KINDS = {
    "older": ("In which picture is the person older?", ("left", "right")),
    "same": ("Do both pictures show the same person?", ("yes", "no")),
    "photograph": (
        "Is this a photograph as it was taken, or was it altered?",
        ("taken", "altered"),
    ),
}
KEY = ("question", "kind", "truth", "person", "shown")
Pixels = NDArray[np.uint8]


class Question(NamedTuple):
    """One question: its kind, its pictures, the true answer, and what is shown for the key."""

    kind: str
    pictures: list[Pixels]
    truth: str
    person: str
    shown: str


def questions(people: Sequence[Portrait], model: PhotoModel, seed: int) -> list[Question]:
    """A question of each kind for every person, in random order; half of each answer."""
    draw = random.Random(seed)
    people = list(people)
    draw.shuffle(people)
    asked: list[Question] = []
    for at, p in enumerate(people):
        asked += _of_person(p, people[(at + 1) % len(people)], at, model, draw)
    draw.shuffle(asked)
    return asked


def _of_person(
    p: Portrait, other: Portrait, at: int, model: PhotoModel, draw: random.Random
) -> list[Question]:
    made = _ager(p, model)
    years = CHANGES[at % len(CHANGES)]
    ages = sorted((p.age, p.age - years if p.age - years >= 30 else p.age + years))
    sides = list(zip([made(age) for age in ages], ages, strict=True))
    if draw.random() < 0.5:
        sides.reverse()
    truth = "left" if sides[0][1] > sides[1][1] else "right"
    older = Question(
        "older", [one for one, _ in sides], truth, p.person, " | ".join(f"{a:g}" for _, a in sides)
    )
    target = draw.choice([age for age in TARGETS if abs(age - p.age) > 5])
    same = at % 2 == 0
    second = made(target) if same else _ager(other, model)(target)
    pair = Question(
        "same", [p.pixels, second], "yes" if same else "no", p.person, f"{p.age:g} | {target:g}"
    )
    taken = draw.random() < 0.5
    single = Question(
        "photograph",
        [p.pixels if taken else made(target)],
        "taken" if taken else "altered",
        p.person,
        f"{p.age if taken else target:g}",
    )
    return [older, pair, single]


def _ager(p: Portrait, model: PhotoModel) -> Callable[[float], Pixels]:
    subject = prepare_subject(p.pixels, p.face.landmarks, model, person=p.mask)
    return lambda age: age_subject(subject, p.age, age)


def save_sheet(folder: Path, asked: Sequence[Question]) -> None:
    """Write `sheet.html` to fill in, and `key.csv`, which its reader should not open before."""
    folder.mkdir(parents=True, exist_ok=True)
    blocks = "\n".join(_block(number, one) for number, one in enumerate(asked, 1))
    write_bytes(folder / "sheet.html", _PAGE.replace("BLOCKS", blocks).encode())
    with (folder / "key.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(KEY)
        for number, one in enumerate(asked, 1):
            writer.writerow([number, one.kind, one.truth, one.person, one.shown])


def scored(key: Path, answers: Path) -> dict[str, Any]:
    """Shares of right answers by kind, with 95 % intervals; the sheet saves `answers.csv`.

    For `photograph` also how many altered pictures were taken for photographs as taken.
    """
    truths = _table(key, KEY)
    given = {row["question"]: row["answer"] for row in _table(answers, ("question", "answer"))}
    result: dict[str, Any] = {}
    for kind in KINDS:
        rows = [row for row in truths if row["kind"] == kind and given.get(row["question"])]
        if not rows:
            continue
        right = [float(given[row["question"]] == row["truth"]) for row in rows]
        share = mean_interval(right, groups=[row["person"] for row in rows])
        result[kind] = {"answers": len(rows), "right": [round(one, 3) for one in share]}
    altered = [r for r in truths if r["truth"] == "altered" and given.get(r["question"])]
    if altered:
        passed = [given[row["question"]] == "taken" for row in altered]
        result["altered_taken_for_photographs"] = round(float(np.mean(passed)), 3)
    return result


def _table(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        if not set(columns) <= set(reader.fieldnames or ()):
            raise UsageError(f"`{path}` lacks the columns {', '.join(columns)}")
        return list(reader)


def _block(number: int, one: Question) -> str:
    text, answers = KINDS[one.kind]
    source = "data:image/jpeg;base64,"
    pictures = "".join(f'<img alt="" src="{source}{_coded(pixels)}">' for pixels in one.pictures)
    choices = "".join(
        f'<label><input type="radio" name="{number}" value="{answer}"> {answer}</label>'
        for answer in answers
    )
    legend = f"<legend>{number}. {html.escape(text)}</legend>"
    return f"<fieldset>{legend}{pictures}<p>{choices}</p></fieldset>"


def _coded(pixels: Pixels) -> str:
    buffer = BytesIO()
    picture = Image.fromarray(pixels).resize(SIDE, Image.Resampling.LANCZOS)
    picture.save(buffer, "JPEG", quality=QUALITY)
    return base64.b64encode(buffer.getvalue()).decode()


_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>What do you see?</title>
<style>
body { font: 16px sans-serif; max-width: 40rem; margin: 2rem auto; padding: 0 1rem; }
fieldset { margin: 0 0 1.5rem; border: 1px solid #bbb; border-radius: 6px; }
img { margin: .5rem .5rem 0 0; } label { margin-right: 1.5rem; }
button { font: inherit; padding: .5rem 1rem; }
</style>
<h1>What do you see?</h1>
<p>Some pictures were altered by a program, some are as they were taken. Answer by your first
impression, then save: nothing leaves this page but the file you save.</p>
<form id="sheet">
BLOCKS
</form>
<button id="save">Save answers.csv</button>
<script>
document.getElementById("save").onclick = () => {
  const rows = [["question", "answer"], ...new FormData(document.getElementById("sheet"))];
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([rows.map(r => r.join(",")).join("\\n") + "\\n"]));
  link.download = "answers.csv";
  link.click();
};
</script>
</html>
"""
