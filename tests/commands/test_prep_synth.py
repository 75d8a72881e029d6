"""`tm prep synth`: pictures, their truth, and what a rerun does."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engine.core.numbers import Span
from engine.data.manifest import read_manifest
from engine.images.saving import provenance_of
from engine.prep.synth import SynthPlan, plan_portraits

SMALL = ("--people", 2, "--per-person", 3, "--ages", "20..50", "--size", 64, "--json")


def test_people_ages_and_truth_are_those_requested(tm, tmp_path):
    result = tm("prep", "synth", tmp_path / "w", "--seed", 900_000, *SMALL)
    assert (result.code, result.json["done"]) == (0, 6)
    names = sorted(path.relative_to(tmp_path / "w").as_posix() for path in tmp_path.rglob("*.png"))
    assert names == [
        f"90000{p}/{age}_{k}.png" for p in (0, 1) for k, age in enumerate((20, 35, 50))
    ]
    row = read_manifest(tmp_path / "w")[0]
    assert (row.age, row.age_by, len(row.landmarks)) == (20.0, "truth", 68)
    assert row.truth["person"] == 900_000
    assert set(row.truth["style"]) == {"greying", "wrinkling", "thinning", "fat", "sagging"}
    assert provenance_of(tmp_path / "w" / row.output)["synthetic"] is True


def test_staggered_people_cover_every_age():
    plan = SynthPlan(Path("w"), 100, 4, Span(20, 70), staggered=True)
    ages = Counter(job.age for job in plan_portraits(plan))
    assert sorted(ages) == list(range(20, 71))
    assert max(ages.values()) <= 2 * min(list(ages.values())[1:-1])
    assert len({job.output for job in plan_portraits(plan)}) == 400


def test_the_same_seed_gives_the_same_pictures(tm, tmp_path):
    for name in ("a", "b"):
        tm("prep", "synth", tmp_path / name, *SMALL, "--workers", 1 if name == "a" else 2)
    pairs = [
        (p, tmp_path / "b" / p.relative_to(tmp_path / "a")) for p in (tmp_path / "a").rglob("*.png")
    ]
    assert len(pairs) == 6
    for one, other in pairs:
        assert np.array_equal(np.asarray(Image.open(one)), np.asarray(Image.open(other)))


def test_a_rerun_renders_only_what_is_missing(tm, tmp_path):
    out = tmp_path / "w"
    tm("prep", "synth", out, *SMALL)
    (out / "000000" / "35_1.png").unlink()
    result = tm("prep", "synth", out, *SMALL).json
    assert (result["done"], result["kept"]) == (1, 5)


def test_one_scene_shows_the_same_photograph_at_every_age(tm, tmp_path):
    tm("prep", "synth", tmp_path / "one", *SMALL, "--same-scene")
    tm("prep", "synth", tmp_path / "many", *SMALL)
    for name, same in (("one", True), ("many", False)):
        rows = [row for row in read_manifest(tmp_path / name) if row.person == "0"]
        assert (len({row.truth["scene"] for row in rows}) == 1) is same
        corners = [
            np.asarray(Image.open(tmp_path / name / row.output), int)[:8, :8] for row in rows
        ]
        moved = max(float(np.abs(corners[0] - corner).mean()) for corner in corners)
        assert (moved < 4) is same
    # The switch belongs to the settings: a rerun without it renders anew.
    assert tm("prep", "synth", tmp_path / "one", *SMALL).json["done"] == 6


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--ages", "50..20"),
        ("--ages", "5..150"),
        ("--ages", "old"),
        ("--size", 5_000),
        ("--unaligned", 2),
        ("--people", 0),
        ("--people", 10**12),
        ("--seed", -1),
    ],
)
def test_values_out_of_range_are_errors(tm, tmp_path, option, value):
    result = tm("prep", "synth", tmp_path / "w", *SMALL[:8], option, value)
    assert result.code == 2
    assert result.err.startswith("error:")
    assert not (tmp_path / "w").exists()


def test_a_dry_run_renders_nothing(tm, tmp_path):
    result = tm("prep", "synth", tmp_path / "w", *SMALL, "--dry-run")
    assert result.json["pictures"] == 6
    assert not (tmp_path / "w").exists()


@pytest.mark.parametrize("more", [(), ("--dry-run",)])
def test_brackets_in_a_folder_name_are_printed(tm, tmp_path, more):
    out = tmp_path / "world [b]"
    result = tm("prep", "synth", out, "--people", 1, "--per-person", 1, "--size", 64, *more)
    assert str(out) in result.err
