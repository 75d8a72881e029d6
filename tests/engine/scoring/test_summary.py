"""Figures against values worked out by hand."""

from types import SimpleNamespace

import numpy as np
import pytest

from engine.scoring.paired import paired
from engine.scoring.recognition import verified
from engine.scoring.summary import by_gap, drawn_unit, figures

PANEL = SimpleNamespace(
    perceptual="net",
    distances={"net": None},
    identities=["dlib"],
    why_no_perceptual=None,
    why_no_age=None,
)


def row(photo, target, told, identity=0.5, **more):
    return {
        "photo_sha256": photo,
        "person": None,
        "target": target,
        "gap": target - 30,
        "beyond": None,
        "predicted_age": told,
        "age_error": told - target,
        "age_gap": None,
        "bin_right": float(abs(told - target) <= 5),
        "identity": identity,
        "identity_to": "photo",
        "identity_to_photos": None,
        "identity_to_photo": identity,
        "strangers": 0.5,
        "net": None,
        "right": 1.0,
        "known_again": float(identity > 0.2),
        "sharpness": 0.9,
        "reconstruction": False,
        **more,
    }


ROWS = [row("a", 20, 24), row("a", 40, 38), row("a", 60, 50), row("b", 20, 21)]


def test_ages_are_told_by_their_mean_errors():
    told = figures(ROWS, PANEL)
    assert told["age_mae"] == pytest.approx((4 + 2 + 10 + 1) / 4)
    assert told["age_bias"] == pytest.approx((4 - 2 - 10 + 1) / 4)
    assert told["bin_accuracy"] == 0.75
    low, high = told["age_mae_interval"]
    assert 1 <= low < told["age_mae"] < high <= 10


def test_order_is_told_for_photos_with_three_ages():
    assert figures(ROWS, PANEL)["monotonicity"] == pytest.approx(1)
    turned = [row("a", 20, 60), row("a", 40, 40), row("a", 60, 20)]
    assert figures(turned, PANEL)["monotonicity"] == pytest.approx(-1)
    assert figures(ROWS[:2], PANEL)["null"]["monotonicity"].startswith("no photo")


def test_portraits_are_grouped_by_the_years_from_their_photo():
    rows = by_gap(ROWS, PANEL)
    assert [(one["from"], one["to"], one["portraits"]) for one in rows] == [
        (10, 20, 3),
        (30, 40, 1),
    ]


def test_what_the_bootstrap_draws_is_people_before_photos_before_portraits():
    assert drawn_unit(ROWS) == "portraits"
    photos = [row(f"{n}", 20, 20) for n in range(5)]
    assert drawn_unit(photos) == "photos"
    assert drawn_unit([row("a", 20, 20, person=str(n)) for n in range(5)]) == "people"


def test_a_constant_difference_is_outside_noise_and_a_split_one_within():
    one = [row(f"{n}", 20, 22, identity=0.6) for n in range(8)]
    other = [row(f"{n}", 20, 22 + 4 * (-1) ** n, identity=0.5) for n in range(8)]
    told = {found["figure"]: found for found in paired({"x": one, "y": other}, PANEL)}
    assert told["identity"]["difference"] == pytest.approx(0.1)
    assert told["identity"]["better"] == "x"
    assert told["right"]["better"] is None


def test_the_difference_of_two_ways_is_that_of_their_portraits_in_common():
    one = [row(f"{n}", 20, 22 + n, identity=0.5 + 0.1 * n) for n in range(6)]
    other = [row(f"{n}", 20, 21, identity=0.4) for n in range(1, 7)]
    told = {found["figure"]: found for found in paired({"x": one, "y": other}, PANEL)}
    # Photos 1 to 5: 0.6 to 1.0 against 0.4, and errors of 3 to 7 years against 1.
    assert told["identity"]["portraits"] == 5
    assert told["identity"]["difference"] == pytest.approx(0.4)
    assert told["age_mae"]["difference"] == pytest.approx(4)
    assert (told["identity"]["better"], told["age_mae"]["better"]) == ("x", "y")
    low, high = told["age_mae"]["interval"]
    assert 2 < low < 4 < high < 6


def test_four_portraits_in_common_are_too_few_to_tell():
    one, other = ([row(f"{n}", 20, 22, identity=i) for n in range(4)] for i in (0.9, 0.1))
    assert all(
        found["few"] and found["better"] is None for found in paired({"x": one, "y": other}, PANEL)
    )


class Cosine:
    def closeness(self, one, other):
        return (one * other).sum(axis=-1)


def test_shuffled_people_are_verified_no_better_than_strangers():
    rng = np.random.default_rng(0)
    people = rng.normal(size=(200, 32))
    people /= np.linalg.norm(people, axis=1, keepdims=True)
    seen = people + 0.05 * rng.normal(size=people.shape)
    strangers = rng.normal(size=(50, 32))
    strangers /= np.linalg.norm(strangers, axis=1, keepdims=True)
    right = verified((seen * people).sum(1).tolist(), seen, strangers, Cosine())
    shuffled = people[rng.permutation(200)]
    wrong = verified((seen * shuffled).sum(1).tolist(), seen, strangers, Cosine())
    assert right["rate"] > 0.95 > 0.05 > wrong["rate"]
    assert wrong["auc"] == pytest.approx(0.5, abs=0.06)


def test_without_strangers_there_is_no_verification_and_a_reason():
    told = verified([0.5], np.ones((1, 2)), None, Cosine())
    assert (told["rate"], "other people" in told["why_null"]) == (None, True)
