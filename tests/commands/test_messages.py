"""What is said of what was left out, read with a remark, or asked for in another spelling."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engine.config.load import load_recipe
from engine.core.ledger import read_rows
from engine.prep.synth import SynthPlan, parse_ages, plan_portraits


@pytest.fixture
def photos(tmp_path, monkeypatch):
    """A folder where the user stands: a JPEG that lacks its last bytes, half of one, and a wall."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    draw = np.random.default_rng(0).integers(0, 256, (120, 90, 3), np.uint8)
    content = io.BytesIO()
    Image.fromarray(draw).save(content, "JPEG")
    cut = {"end": content.getvalue()[:-60], "half": content.getvalue()[: content.tell() // 2]}
    for name, part in cut.items():
        (tmp_path / "photos" / f"{name}.jpg").write_bytes(part)
    return draw


def test_a_jpeg_without_its_last_bytes_is_read_and_half_of_one_is_not(photos):
    from engine.core.errors import PictureError
    from engine.images.reading import read_picture

    picture = read_picture("photos/end.jpg")
    assert picture.pixels.shape == photos.shape
    assert picture.cut
    with pytest.raises(PictureError, match="is cut short: .* rows are missing"):
        read_picture("photos/half.jpg")


def test_what_is_left_out_is_named_as_seen_from_here_and_with_what_may_help(tm, photos):
    align = ("prep", "align", "photos", "deep/out", "--size", 64, "--workers", 1)
    result = tm(*align)
    assert result.code == 3
    assert "photos/half.jpg" in result.err
    assert ".." not in result.err
    assert "`--thorough`" in result.err
    end, half = read_rows(Path("deep/out/manifest.jsonl"))
    assert (end["reason"], half["status"]) == ("no face found", "failed")
    aged = tm("infer", "photos", "--aligned", "--ages", 30, "--out", "o")
    assert "failed: photos/half.jpg is cut short" in aged.err


def test_the_faults_of_a_recipe_are_a_list(tm, tmp_path):
    (tmp_path / "bad.toml").write_text('name = "bad"\nkind = "enhance"\nabout = "x"\nfoo = 3\n')
    result = tm("recipe", "check", tmp_path / "bad.toml", "--json")
    assert result.code == 2
    assert result.json["faults"] == ["steps: this key is required", "foo: unknown key"]


def test_ages_with_a_step_are_taken_wherever_ages_are(tm, tmp_path):
    ages, step = parse_ages("20..75..10")
    plan = SynthPlan(tmp_path, people=1, per_person=7, ages=ages, step=step)
    assert [job.age for job in plan_portraits(plan)] == [20, 30, 40, 40, 50, 60, 70]
    result = tm("bank", "search", "b.safetensors", "a.png", "--ages", "20..75..10")
    assert "has a step, and faces of all ages between" in result.err
    for wrong in ("20..75..0", "20..75..-5"):
        assert "leads nowhere" in tm("prep", "synth", tmp_path, "--people", 1, "--per-person", 1,
                                     "--ages", wrong).err  # fmt: skip


@pytest.mark.parametrize("recipe", ["photo/prior", "photo/personal"])
def test_a_recipe_shows_only_what_its_training_uses(tm, recipe):
    shown = tm("recipe", "show", recipe)
    for key in ("rate", "optimizer", "batch", "patience", "phase"):
        assert key not in shown.out
    assert "validation = " in shown.out
    loaded = load_recipe(recipe)
    assert type(loaded).model_validate(loaded.dump()) == loaded


def test_weights_are_listed_with_where_they_are_from(tm):
    shown = tm("weights", "list").out
    assert "github.com" in shown
    assert "by hand" in shown
