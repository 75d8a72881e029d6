"""The banks of guide and proof hold enough impostors in every window of their recipes."""

import re
from collections import Counter
from pathlib import Path

import personal
import pytest

from engine.banks.bank import FIRST
from engine.config.load import load_recipe
from engine.prep.synth import SynthPlan, parse_ages, plan_portraits

ROOT = Path(__file__).parents[1]
LEAST, BIN = 200, 5
"""Faces of a bin of so many years, whose quantiles .56 to .999 hold more than k = 48 of them."""
COMMAND = re.compile(r"tm prep synth \S*impostors --people (\d+) .*--ages (\S+) --per-person (\d+)")


def commands():
    """People, ages and pictures of each person of every bank that is built by a command."""
    name = "docs/guides/personal.md"
    for people, ages, each in COMMAND.findall((ROOT / name).read_text(encoding="utf-8")):
        yield pytest.param(int(people), parse_ages(ages)[0], int(each), id=name)
    proof = (personal.IMPOSTOR_PEOPLE, personal.IMPOSTOR_AGES, personal.IMPOSTOR_EACH)
    yield pytest.param(*proof, id="personal.py")


BANKS = list(commands())


def test_guide_and_proof_build_a_bank():
    assert {one.id for one in BANKS} == {"docs/guides/personal.md", "personal.py"}


@pytest.mark.parametrize(("people", "ages", "each"), BANKS)
def test_every_bin_of_the_targets_holds_enough_impostors(people, ages, each):
    plan = SynthPlan(Path(), people, each, ages)
    counts = Counter((job.age - FIRST) // BIN for job in plan_portraits(plan))
    low, high = load_recipe("nano/stage1").targets.ages
    assert low < 38 < 42 < high  # the window of the one-shot
    bins = range(int((low - FIRST) // BIN), int((high - FIRST) // BIN) + 1)
    assert min(counts[one] for one in bins) >= LEAST
