"""The margin softmax, and cosines to the other photographs of a person."""

from math import cos

import pytest
import torch
import torch.nn.functional as F

from engine.losses.margin import cosine_to_others, margin_softmax

COSINE = torch.tensor([[0.8, 0.1, -0.3], [0.2, 0.5, 0.4]])
LABELS = torch.tensor([0, 2])


@pytest.mark.parametrize("kind", ["cosine", "angle"])
def test_no_margin_is_the_plain_softmax(kind):
    loss = margin_softmax(COSINE, LABELS, scale=10, margin=0.0, kind=kind)
    torch.testing.assert_close(loss, F.cross_entropy(10 * COSINE, LABELS))


def test_the_cosine_margin_is_taken_off_the_right_class_only():
    harder = torch.tensor([[0.6, 0.1, -0.3], [0.2, 0.5, 0.2]])
    loss = margin_softmax(COSINE, LABELS, scale=10, margin=0.2)
    torch.testing.assert_close(loss, F.cross_entropy(10 * harder, LABELS))


def test_the_angle_margin_turns_the_right_class_away():
    right = torch.tensor([[cos(0.5), 0.0]])
    loss = margin_softmax(right, torch.tensor([0]), scale=4, margin=0.3, kind="angle")
    harder = torch.tensor([[cos(0.8), 0.0]])
    torch.testing.assert_close(loss, F.cross_entropy(4 * harder, torch.tensor([0])))


@pytest.mark.parametrize("kind", ["cosine", "angle"])
def test_the_slope_stays_finite_at_the_ends(kind):
    cosine = torch.tensor([[1.0, -1.0], [-1.0, 1.0]], requires_grad=True)
    margin_softmax(cosine, torch.tensor([0, 0]), scale=20, margin=0.3, kind=kind).backward()
    assert cosine.grad is not None
    assert cosine.grad.isfinite().all()


def test_an_angle_beyond_the_opposite_is_never_easier_again():
    losses = [
        margin_softmax(
            torch.tensor([[start, 0.0]]), torch.tensor([0]), scale=10, margin=0.5, kind="angle"
        )
        for start in (-0.7, -0.99, -1.0)
    ]
    assert losses[0] < losses[1]
    torch.testing.assert_close(losses[1], losses[2])


def test_a_photograph_is_compared_with_the_others_of_its_person():
    torch.manual_seed(0)
    x = F.normalize(torch.randn(6, 5), dim=1)
    cosine, labels = cosine_to_others(x, 2)
    assert labels.tolist() == [0, 0, 0, 1, 1, 1]
    own = F.normalize(x[1] + x[2], dim=0) @ x[0]
    stranger = F.normalize(x[3:].sum(dim=0), dim=0) @ x[0]
    torch.testing.assert_close(cosine[0], torch.stack([own, stranger]))


@pytest.mark.parametrize(("pictures", "people"), [(7, 2), (4, 4)])
def test_people_without_a_second_photograph_are_refused(pictures, people):
    with pytest.raises(ValueError, match="2 or more each"):
        cosine_to_others(torch.ones(pictures, 3), people)
