"""What is written where, and over what: files of others, inputs, links, names that meet."""

import json
import shutil

import pytest
from PIL import Image

from engine.core.held import RECORD

MINE = b"three years of work"


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    """Two rendered faces, `30_0.png` and `50_1.png`."""
    from engine.app.prep import SynthRequest, synth

    out = tmp_path_factory.mktemp("world")
    synth(SynthRequest(out=out, people=1, per_person=2, ages="30..50", size=96, workers=1))
    return sorted((out / "000000").glob("*.png"))


@pytest.fixture
def source(tmp_path, faces):
    folder = tmp_path / "in"
    folder.mkdir()
    shutil.copy(faces[0], folder / "30_1.png")
    return folder


def align(source, out):
    return ("prep", "align", source, out, "--size", "64", "--workers", "1")


def infer(source, out):
    return ("infer", source, "--aligned", "--ages", "40", "--out", out, "--strip", "--set",
            "evaluate=false", "--weights", "nano", "--force")  # fmt: skip


def enhance(source, out):
    return ("enhance", source, out, "--steps", "esrgan", "--no-guard", "--workers", "1")


def synth(source, out):
    return ("prep", "synth", out, "--people", "1", "--ages", "20..20", "--per-person", "1",
            "--size", "32")  # fmt: skip


def landscapes(source, out):
    return ("prep", "synth", out, "--people", "1", "--per-person", "1", "--size", "32", "--world",
            "landscapes")  # fmt: skip


def filtered(source, out):
    return ("prep", "filter", source, "--out", out, "--workers", "1")


def relabel(source, out):
    return ("relabel", source, "--out", out / "l.json", "--report", out / "r.csv", "--aligned",
            "--workers", "1", "--experts", "nano-ordinal")  # fmt: skip


def bank(source, out):
    return ("bank", "build", source, out / "b.safetensors")


def gan(source, out):
    return ("gan", "--va", "0.5,0.5", "--size", "32", "--out", out / "g.png")


def sheet(source, out):
    return ("prep", "sheet", source.parent / "world", "--out", out / "s.png")


FOREIGN = [
    (align, "30_1.png", 3),
    (align, "manifest.jsonl", 2),
    (infer, "30_1_age40.png", 3),
    (infer, "30_1_strip.png", 3),
    (infer, "results.jsonl", 2),
    (enhance, "30_1.png", 3),
    (enhance, "30_1.json", 3),
    (enhance, "recipe.toml", 2),
    (synth, "000000/20_0.png", 2),
    (synth, "holiday.jpg", 2),
    (landscapes, "valence_arousal.csv", 2),
    (filtered, "30_1.png", 0),
    (relabel, "l.json", 2),
    (relabel, "r.csv", 2),
    (relabel, "l_files/labels.csv", 2),
    (bank, "b.safetensors", 2),
    (gan, "g.png", 2),
    (gan, "g.json", 2),
]


@pytest.mark.parametrize(("verb", "name", "code"), FOREIGN)
def test_a_file_that_tm_did_not_make_stays(tm, source, tmp_path, verb, name, code):
    out = tmp_path / "out"
    (out / name).parent.mkdir(parents=True)
    (out / name).write_bytes(MINE)
    result = tm(*verb(source, out))
    assert (out / name).read_bytes() == MINE
    assert result.code == code, result.err
    assert name.rpartition("/")[2] in result.err


@pytest.mark.parametrize("verb", [infer, enhance, synth, landscapes, relabel, bank, gan])
def test_files_of_its_own_are_replaced_and_others_with_the_flag(tm, source, tmp_path, verb):
    out = tmp_path / "out"
    assert tm(*verb(source, out)).code in (0, 3)
    first = {p for p in out.rglob("*") if p.is_file()}
    assert tm(*verb(source, out)).code in (0, 3)
    for record in () if verb is relabel else out.rglob("*.tm-files"):
        record.unlink()  # a folder of an earlier version: the ledger says what is its own
    assert tm(*verb(source, out)).code in (0, 3)
    assert {p for p in out.rglob("*") if p.is_file()} == first
    picture = next((p for p in sorted(first) if p.suffix in (".png", ".safetensors")), None)
    if verb not in (align, relabel):
        assert picture is not None
        picture.write_bytes(MINE)
        for record in out.rglob(f"*{RECORD}"):
            record.unlink()
        for ledger in out.rglob("*.jsonl"):
            ledger.unlink()
        assert tm(*verb(source, out), "--overwrite").code == 0
        assert picture.read_bytes() != MINE


INPUTS = [
    ("labels", ("relabel", "{d}", "--out", "{d}/l.json", "--labels", "{d}/ages.csv", "--report",
                "{d}/ages.csv"), "ages.csv"),
    ("truth", ("relabel", "{d}", "--out", "{d}/l.json", "--labels", "{d}/ages.csv", "--manifest",
               "{d}/ages.csv"), "ages.csv"),
    ("manifest", ("relabel", "{d}/manifest.jsonl", "--out", "{d}/l.json", "--manifest",
                  "{d}/manifest.jsonl"), "manifest.jsonl"),
    ("both", ("relabel", "{d}", "--out", "{d}/l.json", "--report", "{d}/l.json"), "30_0.png"),
    ("weights", ("gan", "--va", "0.5,0.5", "--weights", "{d}/w.png", "--out", "{d}/w.png"),
     "w.png"),
    ("photo", ("bank", "search", "{d}/b.safetensors", "{d}/30_0.png", "--aligned", "--out",
               "{d}/30_0.png"), "30_0.png"),
    ("sheet", ("prep", "sheet", "{d}", "--out", "{d}/30_0.png"), "30_0.png"),
    ("itself", ("prep", "filter", "{d}", "--out", "{d}"), "30_0.png"),
]  # fmt: skip


@pytest.mark.parametrize(("case", "argv", "victim"), INPUTS, ids=[case for case, _, _ in INPUTS])
def test_an_output_that_is_an_input_is_an_error(tm, faces, tmp_path, case, argv, victim):
    folder = tmp_path / "d"
    folder.mkdir()
    for face in faces:
        shutil.copy(face, folder / face.name)
    shutil.copy(faces[0], folder / "w.png")
    (folder / "ages.csv").write_text("path,age\n30_0.png,30\n")
    rows = [{"output": f.name, "sha256": f.name, "age": 30, "truth": {}} for f in faces]
    (folder / "manifest.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    if case == "photo":
        assert tm("bank", "build", folder, folder / "b.safetensors").code == 0
    before = (folder / victim).read_bytes()
    result = tm(*(part.format(d=folder) for part in argv), "--overwrite")
    assert (result.code, (folder / victim).read_bytes()) == (2, before), result.err


@pytest.mark.parametrize(
    "name", ["../x.png", "../../x.png", "{tmp}/x.png", "link/x.png", "", "a/../../x.png"]
)
def test_a_manifest_leads_nothing_out_of_its_folder(tm, faces, tmp_path, name):
    folder, out = tmp_path / "a" / "d", tmp_path / "b" / "out"
    folder.mkdir(parents=True)
    out.mkdir(parents=True)
    (tmp_path / "away").mkdir()
    (out / "link").symlink_to(tmp_path / "away")
    target = name.format(tmp=tmp_path)
    place = folder / target
    place.parent.mkdir(parents=True, exist_ok=True)
    if name:
        shutil.copy(faces[0], place)
    (folder / "manifest.jsonl").write_text(json.dumps({"output": target, "truth": {}}) + "\n")
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file() and folder != p.parent}
    result = tm("prep", "filter", folder, "--out", out, "--workers", "1")
    after = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file() and folder != p.parent}
    assert {p for p in set(after) ^ set(before) if out not in p.parents} == set()
    assert result.code in (2, 3)
    assert not list(out.rglob("*.png"))


@pytest.mark.parametrize("verb", [synth, bank])
@pytest.mark.parametrize(
    "name", [".lock", ".lock.json", ".manifest.jsonl.journal", ".results.jsonl.journal", RECORD,
             ".b.safetensors.tm-files", ".b.ledger.jsonl.journal"]
)  # fmt: skip
def test_nothing_is_written_through_a_link_in_out(tm, source, tmp_path, verb, name):
    out, victim = tmp_path / "out", tmp_path / "victim"
    victim.write_bytes(MINE)
    out.mkdir()
    (out / name).symlink_to(victim)
    assert tm(*verb(source, out)).code in (0, 2, 3)
    assert victim.read_bytes() == MINE


def test_a_subfolder_of_out_that_is_a_link_is_not_entered(tm, source, tmp_path):
    out, away = tmp_path / "out", tmp_path / "away"
    (source / "sub").mkdir()
    shutil.move(source / "30_1.png", source / "sub" / "30_1.png")
    out.mkdir()
    away.mkdir()
    (out / "sub").symlink_to(away)
    assert tm(*infer(source, out)).code == 3
    assert not list(away.iterdir())


@pytest.mark.parametrize("names", [("a-png.jpg", "a.jpg", "a.png"), ("A.png", "a.jpg", "a.webp")])
def test_every_input_has_an_output_of_its_own(tm, faces, tmp_path, names):
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    with Image.open(faces[0]) as face:
        for name in names:
            face.convert("RGB").save(folder / name)
    assert tm(*enhance(folder, out)).code == 0
    rows = [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()]
    assert len({row["output"].casefold() for row in rows}) == len(names)
    assert all((out / row["output"]).is_file() for row in rows)


@pytest.mark.parametrize("ages", ["30.0000001,30.0000002", "30,3e1,30.00000001"])
def test_ages_that_print_alike_are_refused(tm, source, tmp_path, ages):
    result = tm("infer", source, "--aligned", "--ages", ages, "--out", tmp_path / "out")
    assert result.code == 2
    assert not (tmp_path / "out").exists()
