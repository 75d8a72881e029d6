"""A dry run makes every check of the real one: it fails where that fails, and leaves nothing."""

import shutil

import pytest

MINED = "--set loss.contrastive_id.weight=0.02"
"""With a loss that needs a bank."""
ROWS = {
    "align, an empty folder": "prep align EMPTY OUT",
    "align, OUT is a file": "prep align WORLD FILE --workers 1",
    "align, no GPU": "prep align WORLD OUT --device cuda",
    "align, no person to look for": "prep align WORLD OUT --face like:GONE",
    "align, no landmarks": "prep align WORLD OUT --landmarks GONE",
    "align, faulty points": "prep align WORLD OUT --landmarks MINE.json",
    "align, no table": "prep align WORLD OUT --ages GONE",
    "filter, no folder": "prep filter GONE",
    "filter, OUT is a file": "prep filter WORLD --out FILE --workers 1",
    "filter, OUT is the folder": "prep filter WORLD --out WORLD --workers 1",
    "split, no manifest": "prep split EMPTY",
    "sheet, no pictures": "prep sheet EMPTY --out OUT/s.png",
    "sheet, OUT is a folder": "prep sheet WORLD --out EMPTY",
    "synth, OUT is a file": "prep synth FILE --people 1 --per-person 1",
    "synth, a size too large": "prep synth OUT --people 1 --per-person 1 --size 99999",
    "forget, no folder": "prep forget GONE",
    "bank, no network": "bank build WORLD OUT/b.safetensors --embedder ir-se50",
    "bank, a damaged network": "bank build WORLD OUT/b.safetensors --embedder DAMAGED",
    "bank, an empty folder": "bank build EMPTY OUT/b.safetensors",
    "bank, below a file": "bank build WORLD FILE/b.safetensors",
    "bank, somebody's file": "bank build WORLD MINE.safetensors",
    "bank, no GPU": "bank build WORLD OUT/b.safetensors --device cuda",
    "anchors, no model": "bank anchors WORLD OUT/a.safetensors --from sam",
    "anchors, below a file": "bank anchors WORLD FILE/a.safetensors --from nano",
    "search, no bank": "bank search GONE PICTURE --aligned --out OUT/n.png",
    "relabel, an empty folder": "relabel EMPTY --out OUT/l.json",
    "relabel, no expert": "relabel WORLD --out OUT/l.json --experts mivolo",
    "relabel, somebody's file": "relabel WORLD --out MINE.json --experts nano-age",
    "relabel, below a file": "relabel WORLD --out FILE/l.json --experts nano-age",
    "relabel, no table": "relabel WORLD --out OUT/l.json --labels GONE --experts nano-age",
    "relabel, no GPU": "relabel WORLD --out OUT/l.json --device cuda",
    "enhance, an empty folder": "enhance EMPTY OUT",
    "enhance, no weights": "enhance WORLD OUT --set steps.esrgan.weights=GONE",
    "enhance, damaged weights": "enhance WORLD OUT --set steps.esrgan.weights=DAMAGED",
    "enhance, OUT is a file": "enhance WORLD FILE --steps esrgan",
    "enhance, no GPU": "enhance WORLD OUT --device cuda",
    "train, no photos": "train --recipe nano/stage1 --out OUT",
    "train, an empty folder": "train --recipe nano/stage1 --photos EMPTY --bank BANK --out OUT",
    "train, no bank": f"train --recipe nano/stage1 --photos WORLD {MINED} --out OUT",
    "train, a damaged bank": "train --recipe nano/stage1 --photos WORLD --bank DAMAGED "
    f"{MINED} --out OUT",
    "train, no prior": "train --recipe nano/stage1 --from GONE --out OUT",
    "train, no photographs": "train --recipe photo/personal --photos EMPTY --out OUT",
    "train, OUT is a file": "train --recipe nano/landmarks --out FILE",
    "train, no GPU": "train --recipe nano/landmarks --device cuda --out OUT",
    "train, too many processes": "train --recipe nano/landmarks --devices 999999 --out OUT",
    "resume, no run": "resume EMPTY",
    "oneshot, no run": "oneshot --age 40 --from EMPTY",
    "infer, no weights": "infer WORLD --ages 30 --out OUT --weights GONE",
    "infer, damaged weights": "infer WORLD --ages 30 --out OUT --weights DAMAGED",
    "infer, an empty folder": "infer EMPTY --ages 30 --out OUT",
    "infer, OUT is a file": "infer WORLD --ages 30 --out FILE",
    "infer, no person to look for": "infer WORLD --ages 30 --out OUT --face like:GONE",
    "infer, no landmarks": "infer WORLD --ages 30 --out OUT --landmarks GONE",
    "infer, no ages": "infer WORLD --out OUT",
    "infer, no GPU": "infer WORLD --ages 30 --out OUT --device cuda",
    "gan, no weights": "gan --va 0.5,0.5 --weights GONE --out OUT/g.png",
    "gan, damaged weights": "gan --va 0.5,0.5 --weights DAMAGED --out OUT/g.png",
    "gan, OUT is a folder": "gan --va 0.5,0.5 --out EMPTY",
    "gan, somebody's file": "gan --va 0.5,0.5 --out MINE.png",
    "gan, no GPU": "gan --va 0.5,0.5 --device cuda --out OUT/g.png",
    "eval, no results": "eval EMPTY",
    "eval, no figure": "eval WORLD --gate age_mea<=6 --out OUT",
    "eval, OUT is a file": "eval WORLD --out FILE",
    "pull, offline": "weights pull sam --yes",
    "pull, unknown": "weights pull nobody --yes",
    "import, damaged": "weights import DAMAGED",
    "export, no run": "weights export EMPTY OUT/e.safetensors",
}  # fmt: skip
TWO_FAULTS = (ROWS["train, no photographs"],)
"""Where either fault may be named."""
GOOD = {
    "align": "prep align WORLD OUT",
    "filter": "prep filter WORLD --out OUT",
    "split": "prep split WORLD",
    "sheet": "prep sheet WORLD --out OUT/s.png",
    "synth": "prep synth OUT --people 1 --per-person 1",
    "forget": "prep forget WORLD",
    "bank": "bank build WORLD OUT/b.safetensors",
    "anchors": "bank anchors WORLD OUT/a.safetensors --from nano",
    "relabel": "relabel WORLD --out OUT/l.json --experts nano-age",
    "enhance": "enhance WORLD OUT --steps esrgan",
    "train": "train --recipe nano/landmarks --out OUT",
    "infer": "infer WORLD --ages 30 --out OUT",
    "gan": "gan --va 0.5,0.5 --out OUT/g.png",
    "eval": "eval WORLD --out OUT",
}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Two drawn portraits with a manifest, and a bank of them."""
    from engine.app.bank import build
    from engine.core.progress import Silence
    from engine.prep.synth import SynthPlan, synthesise

    folder = tmp_path_factory.mktemp("world")
    plan = SynthPlan(folder / "world", people=1, per_person=2, size=64, seed=902_400)
    synthesise(plan, workers=1, progress=Silence())
    build(folder / "world", folder / "bank.safetensors", Silence())
    return folder


@pytest.fixture
def argv(tmp_path, world):
    """Arguments from a line of a table; the place of every name is made."""
    shutil.copytree(world, tmp_path, dirs_exist_ok=True)
    (tmp_path / "empty").mkdir()
    for name in ("file", "mine.png", "mine.json", "mine.safetensors"):
        (tmp_path / name).write_text("years of work")
    (tmp_path / "damaged.safetensors").write_bytes(b"\xff" * 99)
    picture = next((tmp_path / "world").rglob("*.png")).relative_to(tmp_path).as_posix()
    names = {name: name.lower() for name in ("EMPTY", "OUT", "WORLD", "GONE", "FILE", "MINE")}
    names |= {name: f"{name.lower()}.safetensors" for name in ("DAMAGED", "BANK")}
    names["PICTURE"] = picture

    def made(line):
        for name, place in names.items():
            line = line.replace(name, str(tmp_path / place))
        return line.split()

    return made


def listing(folder):
    return {path: path.lstat().st_mtime_ns for path in folder.rglob("*")}


def fault(result):
    """The sentence of the error, without the remarks before it."""
    return result.err.rpartition("error:")[2].strip()


@pytest.mark.parametrize("line", ROWS.values(), ids=ROWS)
def test_what_fails_fails_dry(tm, tmp_path, argv, line):
    before = listing(tmp_path)
    dry = tm(*argv(line), "--dry-run")
    assert listing(tmp_path) == before
    real = tm(*argv(line))
    assert dry.code == real.code != 0, (dry, real)
    assert fault(dry) == fault(real) or line in TWO_FAULTS
    assert "fault of tm" not in dry.err


@pytest.mark.parametrize("line", GOOD.values(), ids=GOOD)
def test_what_runs_runs_dry_and_leaves_nothing(tm, tmp_path, argv, line):
    before = listing(tmp_path)
    result = tm(*argv(line), "--dry-run")
    assert (result.code, listing(tmp_path)) == (0, before), result.err


def test_a_locked_folder_is_in_use_for_a_dry_run_too(tm, tmp_path, argv):
    from engine.core.lock import locked

    with locked(tmp_path / "out"):
        result = tm(*argv("prep synth OUT --people 1 --per-person 1"), "--dry-run")
    assert result.code == 2
    assert "is in use by" in result.err
