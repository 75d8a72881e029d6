"""Cross entropy with soft labels and sample weights."""

import pytest
import torch
import torch.nn.functional as F

from engine.losses.soft_labels import soft_cross_entropy


def test_hard_labels_give_the_usual_cross_entropy():
    logits, classes = torch.randn(5, 4), torch.tensor([0, 3, 1, 1, 2])
    loss = soft_cross_entropy(logits, torch.eye(4)[classes])
    torch.testing.assert_close(loss, F.cross_entropy(logits, classes))


def test_samples_count_by_their_weight():
    logits = torch.tensor([[5.0, 0.0], [0.0, 5.0]])
    labels = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    right, wrong = (soft_cross_entropy(logits[i : i + 1], labels[:1]) for i in (0, 1))
    loss = soft_cross_entropy(logits, labels, torch.tensor([1.0, 0.25]))
    assert loss == pytest.approx((right.item() + 0.25 * wrong.item()) / 2, rel=1e-5)
    assert soft_cross_entropy(logits, labels, torch.zeros(2)) == 0


def test_a_sample_of_weight_0_has_no_gradient():
    logits = torch.randn(2, 3, requires_grad=True)
    soft_cross_entropy(logits, torch.eye(3)[:2], torch.tensor([1.0, 0.0])).backward()
    assert logits.grad[0].any()
    assert not logits.grad[1].any()
