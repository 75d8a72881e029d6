"""Figures against values worked out by hand."""

from types import SimpleNamespace

import numpy as np
import pytest

from engine.scoring.paired import paired
from engine.scoring.recognition import verification
from engine.scoring.summary import by_gap, figures, red_flags, resampling_unit

SUITE = SimpleNamespace(
    ages_by=["independent"],
    domain="portraits",
    perceptual="net",
    distances={"net": None},
    identities=["dlib"],
    why_no_perceptual=None,
    why_no_age=None,
)


def row(photo, target, age, identity=0.5, **more):
    return {
        "photo_sha256": photo,
        "person": None,
        "target": target,
        "gap": target - 30,
        "extrapolated_years": None,
        "predicted_age": age,
        "age_error": age - target,
        "age_gap": None,
        "bin_correct": float(abs(age - target) <= 5),
        "identity": identity,
        "identity_to": "photo",
        "identity_to_photos": None,
        "identity_to_photo": identity,
        "impostor_distance": 0.5,
        "net": None,
        "age_identity_accuracy": 1.0,
        "verification_rate": float(identity > 0.2),
        "sharpness": 0.9,
        "reconstruction": False,
        "gender_kept": None,
        **more,
    }


ROWS = [row("a", 20, 24), row("a", 40, 38), row("a", 60, 50), row("b", 20, 21)]


def test_age_errors_are_averaged():
    result = figures(ROWS, SUITE)
    assert result["age_mae"] == pytest.approx((4 + 2 + 10 + 1) / 4)
    assert result["age_bias"] == pytest.approx((4 - 2 - 10 + 1) / 4)
    assert result["bin_accuracy"] == 0.75
    low, high = result["age_mae_interval"]
    assert 1 <= low < result["age_mae"] < high <= 10


def test_monotonicity_needs_photos_with_three_targets():
    assert figures(ROWS, SUITE)["monotonicity"] == pytest.approx(1)
    turned = [row("a", 20, 60), row("a", 40, 40), row("a", 60, 20)]
    assert figures(turned, SUITE)["monotonicity"] == pytest.approx(-1)
    assert figures(ROWS[:2], SUITE)["null"]["monotonicity"].startswith("no photo")


PHOTOS = SimpleNamespace(
    **{**vars(SUITE), "domain": "photos", "ages_by": ["mixture", "one"]}, gender_by="a network"
)


def photograph(kept, age=50.0):
    more = {"impostor_cell": "male", "sex_by": "a network", "age by one": age}
    return row("a", 40, 41, gender_kept=kept, perceptual_to_photo=0.25, **more)


def test_photographs_have_ages_by_every_network_and_the_cells_of_their_impostors():
    result = figures([photograph(1.0, 50.0), photograph(0.0, 36.0)], PHOTOS)
    assert (result["age_mae"], result["age_mae by one"]) == (1, 7)
    assert (result["gender_kept"], result["perceptual_to_photo"]) == (0.5, 0.25)
    assert (result["impostor_cells"], result["sex_by"]) == ({"male": 2}, {"a network": 2})
    drawn = figures(ROWS, SUITE)
    assert not {"gender_kept", "impostor_cells", "age_mae by one"} & drawn.keys()
    two = SimpleNamespace(**{**vars(SUITE), "ages_by": ["independent", "luma"]})
    rows = [row("a", 40, 41, **{"age by luma": 30.0}), row("b", 40, 41, **{"age by luma": 44.0})]
    assert figures(rows, two)["age_mae by luma"] == 7


@pytest.mark.parametrize(
    ("kept", "flipped", "flags"),
    [
        (0, 0, []),
        (20, 0, []),
        (19, 1, []),
        (18, 2, ["2 of 20 portraits have another gender than their photo, by a network"]),
        (0, 1, ["1 of 1 portraits have another gender than their photo, by a network"]),
    ],
)
def test_more_than_a_twentieth_of_flipped_genders_is_a_red_flag(kept, flipped, flags):
    rows = [photograph(1.0)] * kept + [photograph(0.0)] * flipped
    assert red_flags(rows, PHOTOS) == flags


def test_portraits_are_grouped_by_the_years_from_their_photo():
    rows = by_gap(ROWS, SUITE)
    assert [(one["from"], one["to"], one["portraits"]) for one in rows] == [
        (10, 20, 3),
        (30, 40, 1),
    ]


def test_the_bootstrap_resamples_people_before_photos_before_portraits():
    assert resampling_unit(ROWS) == "portraits"
    photos = [row(f"{n}", 20, 20) for n in range(5)]
    assert resampling_unit(photos) == "photos"
    assert resampling_unit([row("a", 20, 20, person=str(n)) for n in range(5)]) == "people"


def test_a_constant_difference_is_significant_and_a_mixed_one_is_not():
    one = [row(f"{n}", 20, 22, identity=0.6) for n in range(8)]
    other = [row(f"{n}", 20, 22 + 4 * (-1) ** n, identity=0.5) for n in range(8)]
    result = {pair["figure"]: pair for pair in paired({"x": one, "y": other}, SUITE)}
    assert result["identity"]["difference"] == pytest.approx(0.1)
    assert result["identity"]["better"] == "x"
    assert result["age_identity_accuracy"]["better"] is None


def test_the_difference_of_two_ways_is_that_of_their_portraits_in_common():
    one = [row(f"{n}", 20, 22 + n, identity=0.5 + 0.1 * n) for n in range(6)]
    other = [row(f"{n}", 20, 21, identity=0.4) for n in range(1, 7)]
    result = {pair["figure"]: pair for pair in paired({"x": one, "y": other}, SUITE)}
    # Photos 1 to 5: 0.6 to 1.0 against 0.4, and errors of 3 to 7 years against 1.
    assert result["identity"]["portraits"] == 5
    assert result["identity"]["difference"] == pytest.approx(0.4)
    assert result["age_mae"]["difference"] == pytest.approx(4)
    assert (result["identity"]["better"], result["age_mae"]["better"]) == ("x", "y")
    low, high = result["age_mae"]["interval"]
    assert 2 < low < 4 < high < 6


def test_four_common_portraits_are_too_few():
    one, other = ([row(f"{n}", 20, 22, identity=i) for n in range(4)] for i in (0.9, 0.1))
    assert all(
        pair["too_few"] and pair["better"] is None for pair in paired({"x": one, "y": other}, SUITE)
    )


class Cosine:
    def similarity(self, one, other):
        return (one * other).sum(axis=-1)


def test_shuffled_people_are_verified_no_better_than_strangers():
    rng = np.random.default_rng(0)
    people = rng.normal(size=(200, 32))
    people /= np.linalg.norm(people, axis=1, keepdims=True)
    embeddings = people + 0.05 * rng.normal(size=people.shape)
    impostors = rng.normal(size=(50, 32))
    impostors /= np.linalg.norm(impostors, axis=1, keepdims=True)
    right = verification((embeddings * people).sum(1).tolist(), embeddings, impostors, Cosine())
    shuffled = people[rng.permutation(200)]
    wrong = verification((embeddings * shuffled).sum(1).tolist(), embeddings, impostors, Cosine())
    assert right["true_accept_rate"] > 0.95 > 0.05 > wrong["true_accept_rate"]
    assert wrong["auc"] == pytest.approx(0.5, abs=0.06)


def test_without_strangers_there_is_no_verification_and_a_reason():
    result = verification([0.5], np.ones((1, 2)), None, Cosine())
    assert (result["true_accept_rate"], "other people" in result["why_null"]) == (None, True)
