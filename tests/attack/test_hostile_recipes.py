"""Mutated recipes, numbers that are none, and `--set` of anything: exit 0 or 2, in one sentence."""

import copy
import json
import os

import pytest

from engine.config.find import shipped_recipes
from engine.config.load import load_recipe, read_tree
from engine.core.errors import TmError

FEW = 8
MUTANTS = 300
NOT_FINITE = ("nan", "inf", "-inf")
WEIRD = (
    *("nan", "-inf", "9" * 5000, "1e999", "-1", "0", "true", "1979-05-27T07:32:00Z", "[]", "{}"),
    *("[[]]", "[{}]", '[""]', "{kind = []}", "{kind = 1}", '{kind = ""}', "9223372036854775808"),
    *('""', '" "', r'"\u0000"', r'"\u202e"', r'"\u001b[31m"', '"[red]x[/]"', '"٣k"', '"²"'),
    *('"1e400"', '"nan"', '"40k"', '"90..10"', '"1..2..3"', '".."', '"40±"', '"40±-5"', '"±"'),
    *('"0:0.05, 0:0.07"', '"0:nan"', '"5:1, 1:2"', '":"', '"' + "9" * 10_000 + '"', '"x"'),
    "[" * 90 + "]" * 90,
    "{a=" * 60 + "1" + "}" * 60,
)
KEYS = ("ünï", "\u202e", "a.b", "", "__class__", "model_config", "x" * 3000, "[red]", "\x1b[31m")
SETTINGS = (
    *("", "=", "=1", "a", "a=", "a..b=1", ".a=1", "seed=" + "9" * 5000, "seed=nan", "seed=[", "x"),
    *(
        "seed=" + "[" * 50_000,
        "x." * 900 + "y=1",
        "phase.-1.steps=1",
        "phase.99999999999999.steps=1",
    ),
    *(
        "phase.٣.steps=1",
        "kind=[]",
        "kind=",
        "name=[red]",
        "name=\x1b[31m",
        "extends=x",
        "batch=1e300",
    ),
    *(
        "seed.a=1",
        "__class__=1",
        "batch=true",
        'steps="1e300k"',
        "rate=-1",
        "device=[red]",
        "keep=0",
    ),
    os.fsdecode(b"name=\xff"),
)
FILES = {
    "itself": b'extends = "itself.toml"\n',
    "device": b'extends = "/dev/zero"\n',
    "home of nobody": b'extends = "~nobodyatall/x"\n',
    "long": b'extends = "' + b"x" * 5000 + b'"\n',
    "list": b"extends = []\n",
    "empty": b"",
    "bytes": b"kind = '\xe9'",
    "wide": "kind='identity'".encode("utf-16"),
    "deep array": b"kind = " + b"[" * 50_000 + b"]" * 50_000,
    "deep key": b"kind = 'identity'\n" + b".".join([b"a"] * 20_000) + b" = 1\n",
    "digits": b"kind = 'identity'\nseed = " + b"9" * 100_000,
    "date": b"kind = 'identity'\nseed = 9999-99-99\n",
    "large": b"#" * 20_000_000,
}


class Raw(str):
    """TOML text that goes in as it stands."""


def toml(value, *, top=True):
    """A tree as TOML, its tables inline below the top."""
    if isinstance(value, Raw):
        return str(value)
    if isinstance(value, list):
        return "[" + ", ".join(toml(one, top=False) for one in value) + "]"
    if isinstance(value, dict):
        rows = [f"{json.dumps(str(k))} = {toml(v, top=False)}" for k, v in value.items()]
        return "\n".join(rows) + "\n" if top else "{" + ", ".join(rows) + "}"
    return json.dumps(value)


def places(tree, path=()):
    """The paths of all values of a tree."""
    rows = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for key, value in rows:
        yield (*path, key)
        if isinstance(value, dict | list):
            yield from places(value, (*path, key))


def mutated(tree, rng):
    """A copy with one to six values replaced, renamed or removed."""
    tree = copy.deepcopy(tree)
    for _ in range(rng.choice([1, 1, 1, 2, 3, 6])):
        *parents, key = rng.choice(list(places(tree)) or [("name",)])
        table = tree
        for parent in parents:
            table = table[parent]
        match rng.choice("wwwkd"):
            case "w":
                table[key] = Raw(rng.choice(WEIRD))
            case "k" if isinstance(table, dict):
                table[rng.choice(KEYS)] = table.get(key, 1)
            case _ if isinstance(table, dict):
                table.pop(key, None)
    return tree


def test_recipes(attack, tm, tmp_path):
    rng, shipped = attack.rng, shipped_recipes()
    for number in range(FEW if attack.few else MUTANTS):
        name = rng.choice(sorted(shipped))
        file = tmp_path / f"{number}.toml"
        file.write_text(toml(mutated(read_tree(shipped[name]), rng)), encoding="utf-8")
        attack.told(f"{name} {file.name}", tm("recipe", "check", file), allowed={0, 2})


def test_recipe_files(attack, tm, tmp_path):
    for name in attack.chosen(FILES, FEW):
        file = tmp_path / f"{name}.toml"
        file.write_bytes(FILES[name])
        attack.told(name, tm("recipe", "check", file), allowed={2})
    os.mkfifo(tmp_path / "pipe.toml")
    (tmp_path / "folder.toml").mkdir()
    (tmp_path / "ring.toml").symlink_to("ring.toml")
    for name in ("pipe", "folder", "ring", "nothing", "x" * 300):
        attack.told(name, tm("recipe", "check", tmp_path / f"{name}.toml"), allowed={2})


@pytest.mark.parametrize("recipe", ["nano/identity", "mytm/two_stage"])
def test_settings(attack, tm, recipe):
    for setting in attack.chosen(SETTINGS, FEW):
        result = tm("train", "--dry-run", "--recipe", recipe, "--set", setting)
        attack.told(f"{recipe} {setting[:60]!r}", result, allowed={0, 2, 4})


def numbers(tree):
    for path in places(tree):
        value = tree
        for key in path:
            value = value[key]
        if isinstance(value, int | float) and not isinstance(value, bool):
            yield ".".join(map(str, path))


def test_numbers(attack):
    settings = [
        (name, f"{key}={bad}")
        for name, file in shipped_recipes().items()
        for key in numbers(read_tree(file))
        for bad in NOT_FINITE
    ]
    for name, setting in attack.chosen(settings, 4 * FEW):
        try:
            load_recipe(name, [setting])
        except TmError:
            attack.tried(f"{name} {setting}", [])
        else:
            attack.tried(f"{name} {setting}", ["was accepted"])
