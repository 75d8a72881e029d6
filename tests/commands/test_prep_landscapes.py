"""`tm prep synth --world landscapes`: pictures, their truth, and a table that trainings read."""

import numpy as np
import pytest
from PIL import Image

from engine.core.progress import Silence
from engine.data.landscapes import RatingPlan, read_rated
from engine.data.manifest import read_manifest
from engine.images.saving import provenance_of
from engine.worlds.landscapes import scene_va

SMALL = ("--world", "landscapes", "--people", 2, "--per-person", 2, "--size", 16, "--json")


def test_scenes_are_rendered_with_their_ground_truth(tm, tmp_path):
    out = tmp_path / "w"
    result = tm("prep", "synth", out, "--seed", 900_000, *SMALL)
    assert (result.code, result.json["done"], result.json["world"]) == (0, 4, "landscapes")
    names = sorted(path.name for path in out.glob("*.png"))
    assert names == [f"90000{scene}_{index}.png" for scene in (0, 1) for index in (0, 1)]
    rows = {row.output: row for row in read_manifest(out)}
    first = rows["900000_0.png"].truth
    assert (first["valence"], first["arousal"]) == pytest.approx(scene_va(900_000), abs=1e-4)
    assert provenance_of(out / "900000_1.png")["truth"]["seed"] == 900_000
    one, other = (np.asarray(Image.open(out / f"900000_{index}.png"), int) for index in (0, 1))
    assert np.abs(one - other).mean() > 2


def test_a_rerun_renders_what_is_missing_only(tm, tmp_path):
    out = tmp_path / "w"
    tm("prep", "synth", out, *SMALL)
    (out / "000001_0.png").unlink()
    result = tm("prep", "synth", out, *SMALL).json
    assert (result["done"], result["kept"]) == (1, 3)


def test_trainings_can_read_the_table_of_ratings(tm, tmp_path):
    out = tmp_path / "w"
    tm("prep", "synth", out, *SMALL[:2], "--people", 16, "--per-person", 1, "--size", 16)
    read = read_rated(out, RatingPlan(scale="0..1"), 16, Silence())
    assert len(read) == 16
    truth = {row.output: row.truth for row in read_manifest(out)}
    for name, va in zip(read.names, read.va.tolist(), strict=True):
        assert va == pytest.approx([truth[name]["valence"], truth[name]["arousal"]])


@pytest.mark.parametrize(
    "words",
    [("--ages", "20..30"), ("--unaligned", 1), ("--same-scene",), ("--size", 8), ("--seed", -1)],
)
def test_options_of_portraits_are_errors_for_landscapes(tm, tmp_path, words):
    result = tm("prep", "synth", tmp_path / "w", *SMALL, *words)
    assert result.code == 2
    assert result.err.startswith("error:")
    assert not (tmp_path / "w").exists()


def test_a_dry_run_counts_and_renders_nothing(tm, tmp_path):
    assert tm("prep", "synth", tmp_path / "w", *SMALL, "--dry-run").json["pictures"] == 4
    assert not (tmp_path / "w").exists()
