"""The fast filter is the slow one, in values and gradients, for every resampling a network asks."""

import pytest
import torch

from engine.ops.upfirdn2d import fir_kernel, upfirdn2d, upfirdn2d_reference

CASES = [
    {"up": up, "down": down, "pad": pad}
    for up in (1, 2, 3)
    for down in (1, 2)
    for pad in ((0, 0), (1, 1), (2, 1), (2, 2), (0, 3), (4, 5), (-1, 2), (3, -2))
]
SKEW = torch.tensor([[1.0, 2.0, -1.0, 0.5], [0.0, 3.0, 1.0, 4.0], [5.0, -2.0, 0.3, 1.0]]).double()


def draw(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("kernel", [SKEW, SKEW[:1], SKEW[1]], ids=["square", "row", "separable"])
def test_the_filter_equals_its_definition_in_values_and_gradients(case, kernel):
    x = draw(2, 3, 9, 7).requires_grad_()
    taps = kernel.clone().requires_grad_()
    fast, slow = upfirdn2d(x, taps, **case), upfirdn2d_reference(x, taps, **case)
    torch.testing.assert_close(fast, slow)
    weights = torch.randn_like(slow)
    torch.testing.assert_close(
        torch.autograd.grad((fast * weights).sum(), (x, taps)),
        torch.autograd.grad((slow * weights).sum(), (x, taps)),
    )


def test_the_kernel_is_flipped_as_in_a_true_convolution():
    pulse = torch.zeros(1, 1, 5, 5)
    pulse[0, 0, 2, 2] = 1
    kernel = torch.arange(9.0).view(3, 3)
    answer = upfirdn2d(pulse, kernel, pad=(1, 1))
    torch.testing.assert_close(answer[0, 0, 1:4, 1:4], kernel)


def test_doubling_a_constant_picture_keeps_its_value_inside():
    flat = torch.full((1, 2, 8, 8), 0.7)
    doubled = upfirdn2d(flat, fir_kernel((1, 3, 3, 1), gain=4), up=2, pad=(2, 1))
    assert doubled.shape == (1, 2, 16, 16)
    torch.testing.assert_close(doubled[..., 2:-2, 2:-2], torch.full((1, 2, 12, 12), 0.7))


@pytest.mark.parametrize("up", [1, 2])
def test_gradients_hold_against_finite_differences(up):
    x = draw(1, 2, 4, 4).requires_grad_()
    assert torch.autograd.gradcheck(lambda t: upfirdn2d(t, SKEW, up=up, pad=(2, 1)), x)
    assert torch.autograd.gradgradcheck(lambda t: upfirdn2d(t, SKEW, up=up, pad=(2, 1)), x)


def test_memory_layout_does_not_change_values():
    x = draw(2, 5, 8, 8)
    last = x.contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(upfirdn2d(last, SKEW, pad=(1, 1)), upfirdn2d(x, SKEW, pad=(1, 1)))


@pytest.mark.parametrize("up", [1, 2])
def test_the_filter_compiles_as_one_graph(up):
    def run(t):
        return upfirdn2d(t, SKEW, up=up, pad=(2, 1))

    x = draw(1, 2, 6, 6)
    torch.testing.assert_close(torch.compile(run, backend="eager", fullgraph=True)(x), run(x))


def test_a_kernel_sums_to_its_gain():
    kernel = fir_kernel((1, 3, 3, 1), gain=4)
    assert kernel.shape == (4, 4)
    assert kernel.sum() == pytest.approx(4)
    assert kernel[0, 0] == pytest.approx(4 / 64)
