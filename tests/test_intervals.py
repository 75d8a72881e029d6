"""Every confidence interval resamples people: one place of the bootstrap, and its callers."""

import re
from pathlib import Path

import numpy as np
import personal_photos
import pytest
from evaluation.networks import evaluate_age, evaluate_landmarks
from evaluation.personal_gains import WAYS, gains

from engine.scoring.paired import paired
from engine.scoring.summary import figures
from engine.trainings.photo_prior.age_shifts import Shifts
from engine.trainings.photo_prior.task import share_figures
from tests.engine.scoring.test_summary import SUITE, row

ROOT = Path(__file__).parents[1]
PLACES = {"engine/metrics/bootstrap.py", "engine/metrics/set_distances.py"}
"""The bootstrap, and the floor of distances, whose halves of one set are its spread."""
EDGES = re.compile(r"0?\.975|97\.5|\(1 \+ confidence\)")
PEOPLE = 12


def test_the_bootstrap_has_one_place():
    files = [path for folder in ("engine", "commands", "benchmarks") for path in
             (ROOT / folder).rglob("*.py")]  # fmt: skip
    here = {str(path.relative_to(ROOT)) for path in files if EDGES.search(path.read_text())}
    assert here == PLACES


def errors(rng):
    return rng.normal(size=PEOPLE)


def rows_of(copies, **more):
    """Rows of people who differ, each with as many photographs, all of which are equal."""
    chance = np.random.default_rng(0)
    return [
        row(f"{person} {copy}", target, target + off, identity=0.5 + off / 50,
            person=str(person), **more)
        for person, off in enumerate(errors(chance))
        for copy in range(copies)
        for target in (20, 40, 60)
    ]  # fmt: skip


def of_summary(copies):
    return figures(rows_of(copies), SUITE)["age_bias_interval"]


def of_monotonicity(copies):
    """Half of the people keep their order."""
    rows = [
        {**one, "predicted_age": one["target"] * (-1) ** int(one["person"])}
        for one in rows_of(copies)
    ]
    return figures(rows, SUITE)["monotonicity_interval"]


def of_paired(copies):
    own, other = rows_of(copies), [{**one, "identity": 0.5} for one in rows_of(copies)]
    return next(
        one for one in paired({"x": own, "y": other}, SUITE) if one["figure"] == "identity"
    )["interval"]


def of_shares(copies):
    people = np.repeat(np.arange(PEOPLE), copies).astype(str)
    asked = np.full(len(people), 10.0)
    shifts = Shifts(asked, asked + errors(np.random.default_rng(0))[people.astype(int)], people)
    found = share_figures("net", shifts, 1.0)
    return found["net/share_low"], found["net/share_high"]


def table(copies):
    """Rows of a benchmark: a method whose gain differs between people, and a base."""
    measures = {*WAYS, *personal_photos.MEASURES, "identity", "gradients"}
    return [
        {"method": method, "person": person, "photo": copy, "target": 25.0, "seed": 0,
         **dict.fromkeys(measures, 0.5 + gain * off / 50)}
        for person, off in enumerate(errors(np.random.default_rng(0)))
        for copy in range(copies)
        for method, gain in (("own", 1.0), ("base", 0.0))
    ]  # fmt: skip


def edges(text):
    """The first interval in a text, in per cent."""
    return [float(one) for one in re.findall(r"([-+][\d.]+)%\.\.([-+][\d.]+)%", text)[0]]


def of_personal(copies):
    return gains(table(copies), "own", "base", (25.0,))["gradients"][1:]


def of_personal_photos(copies):
    return edges(personal_photos.comparison(table(copies), "own", "base", (25.0,))["age_error"])


def of_networks(copies):
    people = np.repeat(np.arange(PEOPLE), copies)
    off = 3 + errors(np.random.default_rng(0))[people]
    result = evaluate_age(np.full(len(people), 30.0), 30 + off, people, name="net")
    return result.metrics[0].interval[1:]


def of_landmarks(copies):
    people = np.repeat(np.arange(PEOPLE), copies)
    off = 3 + errors(np.random.default_rng(0))[people]
    true = np.tile(np.arange(136.0).reshape(68, 2), (len(people), 1, 1))
    return evaluate_landmarks(true + off[:, None, None], true, people).metrics[0].interval[1:]


INTERVALS = [
    of_summary, of_monotonicity, of_paired, of_shares, of_personal, of_personal_photos, of_networks,
    of_landmarks,
]  # fmt: skip


@pytest.mark.parametrize("interval", INTERVALS)
def test_more_equal_photographs_of_the_same_people_do_not_narrow_an_interval(interval):
    (low, high), (lower, higher) = interval(1), interval(5)
    assert 0.85 < (higher - lower) / (high - low) < 1.15
