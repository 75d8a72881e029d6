"""Curves of a run against those that the original project expected."""

import json

import pytest

from engine.config.load import load_recipe
from engine.landscapes.evaluation.expected import expected_curves


@pytest.fixture
def run(tmp_path):
    rows = [
        {
            "step": step,
            "loss/total_generator": 0.6 - step / 180,
            "loss/total_discriminator": 2.5,
            "loss/generator/perceptual": 0.2,
            "val/gamma_max": 1.7,
        }
        for step in range(100)
    ]
    (tmp_path / "metrics.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return tmp_path


@pytest.mark.parametrize(
    ("recipe", "settings", "outcomes"),
    [
        (
            "gan/fixed",
            ["networks.perceptual='lpips-alex'"],
            "reached|not reached|-|reached|reached",
        ),
        ("gan/fixed", [], "reached|not reached|-|-|reached"),
        ("gan/tiny", [], "-|-|-|-|reached"),
    ],
)
def test_each_expectation_is_reached_or_not_or_not_comparable(run, recipe, settings, outcomes):
    rows = expected_curves(run, load_recipe(recipe, settings))
    told = [row["outcome"].replace("not comparable", "-") for row in rows]
    assert told == outcomes.split("|")
    assert all((row["why"] is not None) is (row["outcome"] == "not comparable") for row in rows)
    assert rows[2]["why"] == "the run has no such curve"
