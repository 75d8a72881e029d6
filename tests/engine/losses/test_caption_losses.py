"""The way between ages in an image tower's features, and what lies beside it."""

import pytest
import torch

from engine.losses.age_prototypes import AgePrototypes
from engine.losses.attributes import attributes_kept
from engine.losses.directional import SHORTEST, directional

SURE = torch.ones(2)


def prototypes(*means):
    """With these means exactly, one sure face each."""
    features = torch.tensor(means)
    return AgePrototypes.of(features, torch.eye(len(means)), torch.ones(len(means)))


def test_prototypes_are_means_by_soft_label_and_reliability():
    features = torch.tensor([[1.0, 0.0], [0.0, 1.0], [4.0, 4.0], [100.0, 100.0]])
    labels = torch.tensor([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0], [0.0, 1.0]])
    ages = AgePrototypes.of(features, labels, torch.tensor([1.0, 0.8, 0.6, 0.0]))
    # (1 (1,0) + 0.4 (0,1)) / 1.4, and (0.4 (0,1) + 0.6 (4,4)) / 1
    wanted = torch.tensor([[1 / 1.4, 0.4 / 1.4], [2.4, 2.8]])
    torch.testing.assert_close(ages.means, wanted)
    assert ages.known.tolist() == [True, True]


def test_an_age_that_nobody_stands_for_is_no_aim_and_spans_nothing():
    features = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [9.0, 9.0, 9.0]])
    labels = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.2, 0.2, 0.6]])
    ages = AgePrototypes.of(features, labels, torch.tensor([1.0, 1.0, 0.1]))
    assert ages.known.tolist() == [True, True, False]
    assert len(ages.axes) == 1
    young, old, unknown = torch.eye(3)[:, None]
    assert ages.directions(young, unknown)[1] == 0
    way, sure = ages.directions(young, old * 0.5 + unknown * 0.5)
    torch.testing.assert_close(way[0], ages.means[1] - ages.means[0])
    assert sure == pytest.approx(0.5)


def test_one_age_alone_gives_no_direction():
    with pytest.raises(ValueError, match="two ages at least"):
        AgePrototypes.of(torch.randn(3, 4), torch.eye(2)[[0, 0, 0]], torch.ones(3))


def test_ways_lie_between_soft_labels():
    ages = prototypes([0.0, 0.0, 1.0], [2.0, 0.0, 1.0], [2.0, 4.0, 1.0])
    source = torch.tensor([[0.5, 0.5, 0.0]])
    way, sure = ages.directions(source, torch.tensor([[0.0, 0.0, 1.0]]))
    torch.testing.assert_close(way, torch.tensor([[1.0, 4.0, 0.0]]))
    assert sure == 1


def test_the_projection_removes_every_direction_of_age_and_nothing_else():
    ages = prototypes([0.0, 0.0, 1.0, 5.0], [2.0, 0.0, 1.0, 5.0], [2.0, 4.0, 1.0, 5.0])
    for one in range(3):
        for other in range(3):
            moved = ages.means[one] - ages.means[other]
            assert ages.ageless(moved[None]).abs().max() < 1e-6
    beside = torch.tensor([[0.0, 0.0, 3.0, -1.0]])
    torch.testing.assert_close(ages.ageless(beside), beside)
    once = ages.ageless(torch.randn(5, 4))
    torch.testing.assert_close(ages.ageless(once), once)


def test_along_the_way_costs_nothing_and_against_it_2():
    before, way = torch.randn(2, 6), torch.randn(2, 6)
    assert directional(before, before + 3 * way, way, SURE) == pytest.approx(0, abs=1e-6)
    assert directional(before, before - 0.5 * way, way, SURE) == pytest.approx(2, abs=1e-6)
    sideways = torch.tensor([[0.0, 1.0], [0.0, -7.0]])
    way = torch.tensor([[1.0, 0.0], [2.0, 0.0]])
    assert directional(torch.zeros(2, 2), sideways, way, SURE) == 1


def test_a_face_of_unknown_age_does_not_count():
    before, way = torch.zeros(2, 3), torch.eye(3)[:2]
    after = torch.stack([way[0], -way[1]])
    assert directional(before, after, way, torch.tensor([1.0, 0.0])) == 0
    assert directional(before, after, way, torch.tensor([1.0, 3.0])) == pytest.approx(1.5)
    assert directional(before, after, way, torch.zeros(2)) == 0


def test_a_face_that_has_not_moved_is_pulled_with_bounded_force():
    way = torch.tensor([[2.0, 0.0]])
    after = torch.tensor([[0.0, 0.0]], requires_grad=True)
    loss = directional(torch.zeros(1, 2), after, way, torch.ones(1))
    loss.backward()
    assert loss == 1
    torch.testing.assert_close(after.grad, torch.tensor([[-1 / (SHORTEST * 2), 0.0]]))


def test_attributes_may_move_with_the_age_and_with_nothing_else():
    ages = prototypes([0.0, 0.0, 1.0], [2.0, 0.0, 1.0])
    before = torch.tensor([[0.5, 1.0, 1.0]])
    aged = before + torch.tensor([[7.0, 0.0, 0.0]])
    assert attributes_kept(before, aged, ages) == pytest.approx(0, abs=1e-6)
    other = torch.tensor([[0.5, -1.0, 1.0]])
    assert attributes_kept(before, other, ages) == pytest.approx(1, abs=1e-6)
    assert attributes_kept(before, -before, ages) == pytest.approx(2, abs=1e-6)
