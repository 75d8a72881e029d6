"""Uniform mining: every face of the age with the same probability, none of another."""

import pytest
import torch

from engine.miners.uniform import Uniform

CPU = torch.device("cpu")


def cosines(impostors, face=0):
    return sorted(
        round(float(one), 4) for one in impostors.embeddings[face][impostors.mask[face]][:, 0]
    )


@pytest.fixture
def ten(bank_of):
    """Ten faces of 40 years, and others around them."""
    right = [(40, 0.10 + index / 100) for index in range(10)]
    return bank_of([(30, 0.9), (31, 0.91), *right, (50, 0.92), (51, 0.93)])


@pytest.mark.parametrize("replacement", [False, True])
def test_no_face_of_another_age_is_drawn(ten, replacement, mined):
    choice = Uniform(k=10, replacement=replacement, widest=0)
    impostors = mined(ten, choice, [38.0] * 50)
    assert impostors.mask.all()
    assert impostors.embeddings[..., 0].max() < 0.2


def test_without_replacement_all_are_different(ten, mined):
    impostors = mined(ten, Uniform(k=7), [40.0] * 40)
    for face in range(40):
        assert len(set(cosines(impostors, face))) == 7


def test_with_replacement_a_face_may_be_drawn_twice(ten, mined):
    impostors = mined(ten, Uniform(k=10, replacement=True), [40.0] * 40)
    assert any(len(set(cosines(impostors, face))) < 10 for face in range(40))


@pytest.mark.parametrize("replacement", [False, True])
@pytest.mark.parametrize("k", [1, 3, 9])
def test_every_face_has_the_same_probability(ten, replacement, k, mined):
    impostors = mined(ten, Uniform(k=k, replacement=replacement), [40.0] * 1000)
    places = ((impostors.embeddings[..., 0] - 0.10) * 100).round().long().flatten()
    shares = torch.bincount(places, minlength=10) / (1000 * k)
    assert len(shares) == 10
    assert (shares - 0.1).abs().max() < 0.04


@pytest.mark.parametrize("k", [10, 14])
def test_too_few_are_all_taken_and_the_rest_is_masked(ten, k, mined):
    impostors = mined(ten, Uniform(k=k, widest=0), [40.0])
    assert cosines(impostors) == pytest.approx([0.10 + index / 100 for index in range(10)])
    assert impostors.k_effective.tolist() == [10]
    assert impostors.mask[0].tolist() == [True] * 10 + [False] * (k - 10)
    assert impostors.embeddings[0, 10:].eq(0).all()


def test_ages_are_widened_only_where_there_are_too_few(ten, mined):
    impostors = mined(ten, Uniform(k=11, widest=3), [40.0])
    assert impostors.k_effective.tolist() == [11]
    assert float(impostors.metrics["relaxed"]) == 1
    assert float(impostors.metrics["candidate_count"]) == 14
    enough = mined(ten, Uniform(k=10, widest=3), [40.0])
    assert float(enough.metrics["relaxed"]) == 0


@pytest.mark.parametrize("replacement", [False, True])
def test_an_age_without_faces_has_no_impostors(ten, replacement, mined):
    impostors = mined(ten, Uniform(k=3, widest=0, replacement=replacement), [70.0])
    assert impostors.k_effective.tolist() == [0]
    assert impostors.embeddings.eq(0).all()


def test_samples_differ_between_steps_and_repeat_within_one(ten, mined):
    picks = [mined(ten, Uniform(k=5), [40.0], step) for step in (0, 0, 1)]
    assert cosines(picks[0]) == cosines(picks[1])
    assert cosines(picks[0]) != cosines(picks[2])
