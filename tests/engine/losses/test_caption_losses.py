"""Losses on image features along and across the direction between ages."""

import pytest
import torch

from engine.losses.age_prototypes import AgePrototypes
from engine.losses.attributes import attribute_loss
from engine.losses.directional import SHORTEST, directional_loss

ONES = torch.ones(2)


def prototypes(*means):
    """Prototypes with exactly these means, one fully reliable face each."""
    features = torch.tensor(means)
    return AgePrototypes.of(features, torch.eye(len(means)), torch.ones(len(means)))


def test_prototypes_are_means_by_soft_label_and_reliability():
    features = torch.tensor([[1.0, 0.0], [0.0, 1.0], [4.0, 4.0], [100.0, 100.0]])
    labels = torch.tensor([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0], [0.0, 1.0]])
    ages = AgePrototypes.of(features, labels, torch.tensor([1.0, 0.8, 0.6, 0.0]))
    # (1 (1,0) + 0.4 (0,1)) / 1.4, and (0.4 (0,1) + 0.6 (4,4)) / 1
    expected = torch.tensor([[1 / 1.4, 0.4 / 1.4], [2.4, 2.8]])
    torch.testing.assert_close(ages.means, expected)
    assert ages.known.tolist() == [True, True]


def test_a_class_without_labels_has_no_direction_and_no_axis():
    features = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [9.0, 9.0, 9.0]])
    labels = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.2, 0.2, 0.6]])
    ages = AgePrototypes.of(features, labels, torch.tensor([1.0, 1.0, 0.1]))
    assert ages.known.tolist() == [True, True, False]
    assert len(ages.axes) == 1
    young, old, unknown = torch.eye(3)[:, None]
    assert ages.directions(young, unknown)[1] == 0
    direction, weight = ages.directions(young, old * 0.5 + unknown * 0.5)
    torch.testing.assert_close(direction[0], ages.means[1] - ages.means[0])
    assert weight == pytest.approx(0.5)


def test_one_class_alone_has_no_direction():
    with pytest.raises(ValueError, match="two ages at least"):
        AgePrototypes.of(torch.randn(3, 4), torch.eye(2)[[0, 0, 0]], torch.ones(3))


def test_directions_lie_between_soft_labels():
    ages = prototypes([0.0, 0.0, 1.0], [2.0, 0.0, 1.0], [2.0, 4.0, 1.0])
    source = torch.tensor([[0.5, 0.5, 0.0]])
    direction, weight = ages.directions(source, torch.tensor([[0.0, 0.0, 1.0]]))
    torch.testing.assert_close(direction, torch.tensor([[1.0, 4.0, 0.0]]))
    assert weight == 1


def test_the_projection_removes_the_age_axes_alone():
    ages = prototypes([0.0, 0.0, 1.0, 5.0], [2.0, 0.0, 1.0, 5.0], [2.0, 4.0, 1.0, 5.0])
    for one in range(3):
        for other in range(3):
            moved = ages.means[one] - ages.means[other]
            assert ages.without_age(moved[None]).abs().max() < 1e-6
    beside = torch.tensor([[0.0, 0.0, 3.0, -1.0]])
    torch.testing.assert_close(ages.without_age(beside), beside)
    once = ages.without_age(torch.randn(5, 4))
    torch.testing.assert_close(ages.without_age(once), once)


def test_the_directional_loss_is_0_along_the_direction_and_2_against_it():
    before, direction = torch.randn(2, 6), torch.randn(2, 6)
    assert directional_loss(before, before + 3 * direction, direction, ONES) == pytest.approx(
        0, abs=1e-6
    )
    assert directional_loss(before, before - 0.5 * direction, direction, ONES) == pytest.approx(
        2, abs=1e-6
    )
    sideways = torch.tensor([[0.0, 1.0], [0.0, -7.0]])
    direction = torch.tensor([[1.0, 0.0], [2.0, 0.0]])
    assert directional_loss(torch.zeros(2, 2), sideways, direction, ONES) == 1


def test_samples_of_weight_0_do_not_count():
    before, direction = torch.zeros(2, 3), torch.eye(3)[:2]
    after = torch.stack([direction[0], -direction[1]])
    assert directional_loss(before, after, direction, torch.tensor([1.0, 0.0])) == 0
    half = directional_loss(before, after, direction, torch.tensor([1.0, 0.5]))
    assert half == pytest.approx(0.5)  # (0 + .5 * 2) / 2
    assert directional_loss(before, after, direction, torch.zeros(2)) == 0


def test_the_gradient_at_no_change_is_bounded():
    direction = torch.tensor([[2.0, 0.0]])
    after = torch.tensor([[0.0, 0.0]], requires_grad=True)
    loss = directional_loss(torch.zeros(1, 2), after, direction, torch.ones(1))
    loss.backward()
    assert loss == 1
    torch.testing.assert_close(after.grad, torch.tensor([[-1 / (SHORTEST * 2), 0.0]]))


def test_the_attribute_loss_ignores_changes_along_the_age_axes():
    ages = prototypes([0.0, 0.0, 1.0], [2.0, 0.0, 1.0])
    before = torch.tensor([[0.5, 1.0, 1.0]])
    aged = before + torch.tensor([[7.0, 0.0, 0.0]])
    assert attribute_loss(before, aged, ages) == pytest.approx(0, abs=1e-6)
    other = torch.tensor([[0.5, -1.0, 1.0]])
    assert attribute_loss(before, other, ages) == pytest.approx(1, abs=1e-6)
    assert attribute_loss(before, -before, ages) == pytest.approx(2, abs=1e-6)
