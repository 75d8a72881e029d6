"""The one-pass activation is the slow one, and leaves what it is given alone."""

import pytest
import torch

from engine.ops.bias_act import bias_act, bias_act_reference

SHAPES = [(3, 4), (2, 4, 5, 6), (1, 4, 2, 3, 2)]


def draw(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("options", [{}, {"slope": 0.5, "gain": 3.0}], ids=["published", "other"])
def test_the_activation_equals_its_definition_in_values_and_gradients(shape, options):
    x, bias = draw(*shape).requires_grad_(), draw(4).requires_grad_()
    fast, slow = bias_act(x, bias, **options), bias_act_reference(x, bias, **options)
    torch.testing.assert_close(fast, slow)
    weights = torch.randn_like(slow)
    torch.testing.assert_close(
        torch.autograd.grad((fast * weights).sum(), (x, bias)),
        torch.autograd.grad((slow * weights).sum(), (x, bias)),
    )


def test_the_input_is_not_written_to():
    x, bias = draw(2, 4, 3, 3), draw(4)
    before = x.clone()
    bias_act(x, bias)
    assert torch.equal(x, before)


def test_gradients_hold_against_finite_differences():
    x, bias = draw(2, 3).requires_grad_(), draw(3).requires_grad_()
    assert torch.autograd.gradcheck(bias_act, (x, bias))
    assert torch.autograd.gradgradcheck(bias_act, (x, bias))


def test_published_values():
    values = bias_act(torch.tensor([[1.0, -1.0]]), torch.tensor([1.0, 0.0]))
    torch.testing.assert_close(values, torch.tensor([[2 * 2**0.5, -0.2 * 2**0.5]]))


def test_the_activation_compiles_as_one_graph():
    x, bias = draw(2, 4, 3, 3), draw(4)
    compiled = torch.compile(bias_act, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(x, bias), bias_act(x, bias))
