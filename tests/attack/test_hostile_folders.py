"""Manifests, tables and folders of somebody else: nothing outside OUT, no input, nothing foreign is
written, and every fault is a sentence."""

import json
import os
import shutil

import pytest

FEW = 4
JUNK = (b"", b"null", b"[]", b"5", b"{", b"\xff\xfe", b"[" * 50_000, b"9" * 5000, bytes(1000))
FIELDS = {
    "output": [5, None, "", "..", "/etc/passwd", "../../x", "\0", "x" * 5000, "\x1b[31m", ".", []],
    "source": [5, None, "\0", []],
    "age": ["x", -5, 1e308, None, True, 10**400],
    "status": ["x", 5, None],
    "box": [5, [1], ["x"] * 4, [1e308] * 4],
    "quad": [[], [[0, 0]] * 4, [[1e308, 0]] * 4, [["x", 0]] * 4],
    "landmarks": [[], [[0, 0]] * 68, [[0]] * 68],
    "dhash": ["zz", "", 5, "f" * 400],
    "descriptor": [[], ["x"] * 128, [1e308] * 128],
    "scores": [5, {}, {"blur": "x"}],
    "person": [5, "../..", "\x1b[31m"],
    "truth": [5, {}, {"identity": 5}],
    "taken": ["x", "9999-99-99"],
    "\x1b[31m": [1],
}
TABLES = (
    *(
        "",
        "path,age\n",
        "path,x\na,1\n",
        "path,age\na,x\n",
        "path,age\na,nan\n",
        "path,age\na,-1\n",
    ),
    *("path,age\na\nb,1,2,3\n", "path,age\n\0,1\n", 'path,age\n"a,1\n', "path,path,age\na,b,1\n"),
    *("{}", "[" * 50_000, "path;age\n20_0.png;20\n", "path,age\n\x1b[31m[red],x\n"),
    "path,age\n" + "x" * 200_000 + ",1\n",
    "path,age\n../../../../../../etc/passwd,20\n",
)
READERS = {
    "filter": ("prep", "filter", "IN", "--out", "OUT", "--workers", 1),
    "split": ("prep", "split", "IN"),
    "bank": ("bank", "build", "IN", "OUT/b.safetensors", "--embedder", "nano-identity"),
    "relabel": ("relabel", "IN/manifest.jsonl", "--out", "OUT/l.json", "--workers", 1),
    "sheet": ("prep", "sheet", "IN", "OUT/s.png"),
    "forget": ("prep", "forget", "IN"),
}
WRITERS = {
    "align": (("prep", "align", "IN", "OUT", "--size", 64, "--workers", 1), "manifest.jsonl"),
    "infer": (("infer", "IN", "--aligned", "--force", "--ages=30", "--out=OUT"), "20_0_age30.png"),
    "enhance": (("enhance", "IN", "OUT", "--steps", "esrgan", "--no-guard"), "20_0.png"),
    "gan": (("gan", "--va", "0.5,0.5", "--size", 32, "--out", "OUT/g.png"), "g.png"),
    "relabel": (("relabel", "IN", "--out", "OUT/l.json", "--workers", 1), "l.json"),
    "bank": (("bank", "build", "IN", "OUT/b.safetensors", "--embedder", "nano-identity"),
             "b.safetensors"),
    "eval": (("eval", "IN", "--out", "OUT"), "report.json"),
}  # fmt: skip
MINE = b"three years of work"


def placed(argv, source, out):
    """The arguments with IN and OUT as folders."""
    return [str(one).replace("IN", str(source)).replace("OUT", str(out)) for one in argv]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    from engine.core.progress import Silence
    from engine.prep.synth import SynthPlan, synthesise

    folder = tmp_path_factory.mktemp("world")
    plan = SynthPlan(folder, people=1, per_person=3, size=96, seed=902_300)
    synthesise(plan, workers=1, progress=Silence())
    return folder


def manifests(rows):
    """Name to content of tampered manifests."""
    first, *others = rows
    made = {f"junk {junk[:12]!r}": junk for junk in JUNK}
    for key, values in FIELDS.items():
        for value in values:
            changed = [json.dumps({**json.loads(first), key: value}), *others]
            made[f"{key}={str(value)[:24]!r}"] = "\n".join(changed).encode()
    made["twice"] = "\n".join(rows * 2).encode()
    made["surrogate"] = json.dumps({**json.loads(first), "output": "\ud800.png"}).encode()
    return made


def listing(folder):
    """Everything below a folder with its time of change."""
    return {path: path.lstat().st_mtime_ns for path in folder.rglob("*")}


@pytest.mark.parametrize("command", READERS)
def test_manifests(attack, tm, tmp_path, world, command):
    contents = manifests((world / "manifest.jsonl").read_text().splitlines())
    for name in attack.chosen(contents, FEW):
        box = tmp_path / "box"
        shutil.rmtree(box, ignore_errors=True)
        source, out = shutil.copytree(world, box / "in"), box / "out"
        (source / "manifest.jsonl").write_bytes(contents[name])
        before = listing(tmp_path)
        result = tm(*placed(READERS[command], source, out))
        inside = {source, out, box}
        strange = [
            str(path)
            for path, when in listing(tmp_path).items()
            if before.get(path) != when and not inside & {path, *path.parents}
        ]
        also = [f"wrote {strange}"] if strange else []
        attack.told(f"{command} {name}", result, allowed={0, 2, 3}, also=also)


@pytest.mark.parametrize("target", ["../escaped.png", "../../escaped.png", "ABSOLUTE"])
def test_traversal(attack, tm, tmp_path, world, target):
    source, out = shutil.copytree(world, tmp_path / "w" / "in"), tmp_path / "o" / "out"
    rows = [json.loads(line) for line in (source / "manifest.jsonl").read_text().splitlines()]
    target = str(tmp_path / "absolute.png") if target == "ABSOLUTE" else target
    shutil.copy(source / rows[0]["output"], source / target)
    rows[0]["output"] = target
    (source / "manifest.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    before = listing(tmp_path)
    result = tm("prep", "filter", source, "--out", out, "--workers", 1)
    written = [
        str(path)
        for path, when in listing(tmp_path).items()
        if before.get(path) != when and path.is_file() and not {source, out} & {*path.parents}
    ]
    also = [f"wrote {written}"] if written else []
    attack.told(target, result, allowed={0, 2, 3}, also=also)


@pytest.mark.parametrize("option", ["--labels", "--truth"])
def test_tables(attack, tm, tmp_path, world, option):
    for number, text in enumerate(attack.chosen(TABLES, FEW)):
        table = tmp_path / f"{number}.csv"
        table.write_text(text)
        argv = ("relabel", world, "--out", tmp_path / "l.json", option, table, "--workers", 1)
        attack.told(f"{option} {text[:30]!r}", tm(*argv), allowed={0, 2, 3})


@pytest.mark.parametrize("command", WRITERS)
@pytest.mark.parametrize("how", ["a file", "a link"])
def test_foreign_files(attack, tm, tmp_path, world, command, how):
    source, out, victim = tmp_path / "in", tmp_path / "out", tmp_path / "victim"
    source.mkdir()
    for index, path in enumerate(sorted(world.rglob("*.png"))):
        shutil.copy(path, source / f"{20 + index}_0.png")
    argv, name = WRITERS[command]
    out.mkdir()
    victim.write_bytes(MINE)
    if how == "a link":
        (out / name).symlink_to(victim)
    else:
        (out / name).write_bytes(MINE)
    strangers = [out / ".rsync.partial" / "file.bin", out / ".letter.partial"]
    for path in strangers:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(MINE)
    inputs = {path: path.read_bytes() for path in source.iterdir()}
    result = tm(*placed(argv, source, out))
    kept = {out / name: MINE, victim: MINE, **dict.fromkeys(strangers, MINE), **inputs}
    lost = [
        path.name
        for path, content in kept.items()
        if not path.exists() or path.read_bytes() != content
    ]
    also = [f"lost {lost}"] if lost else []
    attack.told(f"{command} {how}", result, allowed={0, 2, 3}, also=also)


@pytest.mark.parametrize("command", ["align", "infer", "enhance", "relabel", "bank"])
def test_odd_entries(attack, tm, tmp_path, world, command):
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    shutil.copy(next(world.rglob("*.png")), source / "20_0.png")
    shutil.copy(source / "20_0.png", os.fsencode(source) + b"/30_\xe9\xff.png")
    os.mkfifo(source / "31_0.png")
    (source / "32_0.png").mkdir()
    (source / "33_0.png").symlink_to("/dev/zero")
    (source / "34_0.png").symlink_to("34_0.png")
    attack.told(command, tm(*placed(WRITERS[command][0], source, out)), allowed={0, 2, 3})
