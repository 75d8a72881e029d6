"""`tm prep synth --world landscapes`: pictures, their truth, and a table that trainings read."""

import numpy as np
import pytest
from PIL import Image

from engine.core.progress import Silence
from engine.data.landscapes import PhotoPlan, read_rated
from engine.data.manifest import read_manifest
from engine.images.saving import provenance_of
from engine.worlds.landscapes import place_in_plane

SMALL = ("--world", "landscapes", "--people", 2, "--per-person", 2, "--size", 16, "--json")


def test_scenes_are_rendered_in_several_moods_with_their_truth(tm, tmp_path):
    out = tmp_path / "w"
    told = tm("prep", "synth", out, "--seed", 900_000, *SMALL)
    assert (told.code, told.json["done"], told.json["world"]) == (0, 4, "landscapes")
    names = sorted(path.name for path in out.glob("*.png"))
    assert names == [f"90000{scene}_{mood}.png" for scene in (0, 1) for mood in (0, 1)]
    rows = {row.output: row for row in read_manifest(out)}
    first = rows["900000_0.png"].truth
    assert (first["valence"], first["arousal"]) == pytest.approx(place_in_plane(900_000), abs=1e-4)
    assert provenance_of(out / "900000_1.png")["truth"]["seed"] == 900_000
    one, other = (np.asarray(Image.open(out / f"900000_{mood}.png"), int) for mood in (0, 1))
    assert np.abs(one - other).mean() > 2


def test_a_rerun_renders_what_is_missing_only(tm, tmp_path):
    out = tmp_path / "w"
    tm("prep", "synth", out, *SMALL)
    (out / "000001_0.png").unlink()
    told = tm("prep", "synth", out, *SMALL).json
    assert (told["done"], told["kept"]) == (1, 3)


def test_the_table_beside_the_pictures_is_one_that_trainings_read(tm, tmp_path):
    out = tmp_path / "w"
    tm("prep", "synth", out, *SMALL[:2], "--people", 16, "--per-person", 1, "--size", 16)
    read = read_rated(out, PhotoPlan(scale="0..1"), 16, Silence())
    assert len(read) == 16
    truth = {row.output: row.truth for row in read_manifest(out)}
    for name, place in zip(read.names, read.places.tolist(), strict=True):
        assert place == pytest.approx([truth[name]["valence"], truth[name]["arousal"]])


@pytest.mark.parametrize(
    "words",
    [("--ages", "20..30"), ("--unaligned", 1), ("--same-scene",), ("--size", 8), ("--seed", -1)],
)
def test_what_landscapes_do_not_have_is_told(tm, tmp_path, words):
    told = tm("prep", "synth", tmp_path / "w", *SMALL, *words)
    assert told.code == 2
    assert told.err.startswith("error:")
    assert not (tmp_path / "w").exists()


def test_a_dry_run_counts_and_renders_nothing(tm, tmp_path):
    assert tm("prep", "synth", tmp_path / "w", *SMALL, "--dry-run").json["pictures"] == 4
    assert not (tmp_path / "w").exists()
