"""Ranger against a plain transcription of its papers, parameter by parameter."""

from copy import deepcopy

import pytest
import torch
from torch import nn

from engine.training.optimizers.ranger import Ranger, step_size


def plain_ranger(weights, gradients, lr, betas=(0.95, 0.999), eps=1e-5, k=6, alpha=0.5):
    """One tensor through all its gradients, the formulas written out."""
    beta1, beta2 = betas
    m, v = torch.zeros_like(weights), torch.zeros_like(weights)
    slow, fast = weights.clone(), weights.clone()
    longest = 2 / (1 - beta2) - 1
    for t, gradient in enumerate(gradients, 1):
        g = gradient
        if g.dim() > 1:
            g = g - g.flatten(1).mean(1).view(-1, *[1] * (g.dim() - 1))
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g * g
        length = longest - 2 * t * beta2**t / (1 - beta2**t)
        if length >= 5:
            r = (length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length)
            rate = ((1 - beta2**t) * r) ** 0.5 / (1 - beta1**t)
            fast = fast - lr * rate * m / (v.sqrt() + eps)
        else:
            fast = fast - lr / (1 - beta1**t) * m
        if t % k == 0:
            slow = slow + alpha * (fast - slow)
            fast = slow.clone()
    return fast


@pytest.mark.parametrize("shape", [(5,), (4, 3), (4, 3, 2, 2), ()])
def test_the_fused_steps_are_the_formulas(shape):
    draw = torch.Generator().manual_seed(0)
    start = torch.randn(shape, generator=draw, dtype=torch.float64)
    gradients = [torch.randn(shape, generator=draw, dtype=torch.float64) for _ in range(20)]
    p = nn.Parameter(start.clone())
    optimizer = Ranger([p], lr=0.03)
    for gradient in gradients:
        p.grad = gradient.clone()
        optimizer.step()
    assert torch.allclose(p, plain_ranger(start, gradients, 0.03), atol=1e-12)


def test_the_variance_is_used_from_the_sixth_step_on():
    assert [step_size(step, 0.95, 0.999)[1] for step in range(1, 8)] == [False] * 5 + [True] * 2


def test_a_resumed_run_is_an_uninterrupted_one_to_the_last_bit():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))
    batches = [torch.randn(16, 4) for _ in range(20)]

    def run(net, optimizer, some):
        for batch in some:
            optimizer.zero_grad()
            net(batch).square().mean().backward()
            optimizer.step()

    whole = deepcopy(net)
    run(whole, Ranger(whole.parameters(), 1e-2), batches)
    first = deepcopy(net)
    optimizer = Ranger(first.parameters(), 1e-2)
    run(first, optimizer, batches[:9])
    again, resumed = deepcopy(first), None
    resumed = Ranger(again.parameters(), 1e-2)
    resumed.load_state_dict(deepcopy(optimizer.state_dict()))
    run(again, resumed, batches[9:])
    assert all(
        torch.equal(a, b) for a, b in zip(whole.parameters(), again.parameters(), strict=True)
    )


def test_parameters_that_join_later_have_their_own_age():
    a, b = nn.Parameter(torch.ones(3)), nn.Parameter(torch.ones(3))
    optimizer = Ranger([a, b], 0.1)
    for step in range(8):
        a.grad = torch.full((3,), 0.5)
        b.grad = torch.full((3,), 0.5) if step >= 4 else None
        optimizer.step()
    assert optimizer.state[a]["step"] == 8
    assert optimizer.state[b]["step"] == 4
    expected = plain_ranger(torch.ones(3), [torch.full((3,), 0.5)] * 4, 0.1)
    assert torch.allclose(b, expected)


@pytest.mark.parametrize("wrong", [{"lr": -1.0}, {"eps": 0.0}, {"k": 0}, {"alpha": 1.5}])
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(ValueError, match="must be"):
        Ranger([nn.Parameter(torch.ones(1))], **wrong)
