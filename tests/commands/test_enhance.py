"""`tm enhance` as people type it, with the networks of the package."""

import json

import numpy as np
import pytest
from PIL import Image

from engine.worlds.portraits import identity, render, scene

PERSON = 903_100


@pytest.fixture(scope="module")
def drawn():
    return render(identity(PERSON), 45, scene(PERSON * 1_000), 96).picture


@pytest.fixture
def old(tmp_path, drawn):
    """A grey portrait, and something that is none."""
    folder = tmp_path / "old"
    folder.mkdir()
    Image.fromarray(drawn).convert("L").save(folder / "gray.png")
    (folder / "odd.jpg").write_text("no picture")
    return folder


def test_one_command_colours_enlarges_and_restores(tm, old, tmp_path):
    out = tmp_path / "out"
    result = tm("enhance", old, out, "--steps", "ddcolor,esrgan,gfpgan", "--json")
    assert result.code == 0
    assert (result.json["done"], result.json["failed"]) == (1, 1)
    assert {"nano-colour", "nano-face"} < {model["model"] for model in result.json["models"]}
    assert "stand in" in result.err
    assert "licence: that of tm" in result.err
    with Image.open(out / "gray.png") as picture:
        made = np.asarray(picture).astype(int)
    assert made.shape == (192, 192, 3)
    assert np.ptp(made, axis=2).mean() > 3
    sidecar = json.loads((out / "gray.json").read_text("utf-8"))
    assert sidecar["domain"] == "portraits"
    assert sidecar["faces"] == 1
    models = [step["model"] for step in sidecar["steps"]]
    assert models == ["nano-colour", "nano-x2", "nano-face"]
    assert all(step["stand_in"] for step in sidecar["steps"])
    assert sidecar["metrics"]["identity_by"] == "nano-identity"

    again = tm("enhance", old, out, "--steps", "ddcolor,esrgan,gfpgan", "--json")
    assert (again.json["kept"], again.json["done"]) == (1, 0)

    audit = tm("enhance", "--audit", out, "--json")
    assert (audit.code, audit.json["findings"]) == (0, [])
    assert audit.json["repeated"] == "gray.png"
    (out / "gray.png").write_bytes(b"\0" + (out / "gray.png").read_bytes()[1:])
    broken = tm("enhance", "--audit", out)
    assert broken.code == 3
    assert "changed output" in broken.err


def test_strict_names_what_failed(tm, old, tmp_path):
    result = tm("enhance", old, tmp_path / "out", "--steps", "esrgan", "--strict", "--no-guard")
    assert result.code == 3
    assert "odd.jpg" in result.err


def test_a_dry_run_touches_nothing(tm, old, tmp_path):
    result = tm("enhance", old, tmp_path / "out", "--dry-run", "--json")
    assert result.code == 0
    assert result.json["pictures"] == 2
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("given", "code", "words"),
    [
        (("--steps", "ddcolour"), 2, "did you mean `ddcolor`?"),
        (("--steps", ","), 2, "no step was named"),
        (("--set", "guard.max_drft=1"), 2, "did you mean `max_drift`?"),
        (("--recipe", "nano/x2"), 2, "not `enhance`"),
        (("--set", "steps=[{kind='esrgan', weights='none.pth'}]"), 2, "unknown weights"),
    ],
)
def test_faults_are_one_sentence(tm, old, tmp_path, given, code, words):
    result = tm("enhance", old, tmp_path / "out", *given)
    assert result.code == code
    assert words in result.err
    assert "Traceback" not in result.err


def test_a_web_page_in_place_of_weights_is_exit_4(tm, old, tmp_path):
    page = tmp_path / "RealESRGAN_x4plus.pth"
    page.write_text("<html>Quota exceeded</html>")
    step = f"steps=[{{kind='esrgan', weights='{page}'}}]"
    result = tm("enhance", old, tmp_path / "out", "--set", step)
    assert result.code == 4
    assert "is a web page" in result.err


def test_a_folder_of_none_of_ours_cannot_be_audited(tm, tmp_path):
    result = tm("enhance", "--audit", tmp_path)
    assert result.code == 3
    assert "holds no results" in result.err


def test_both_places_are_needed(tm, old):
    result = tm("enhance", old)
    assert result.code == 2
    assert "SRC and OUT are required" in result.err
