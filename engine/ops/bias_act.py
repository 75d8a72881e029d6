"""Bias, leaky ReLU and gain in one step (StyleGAN2, appendix B: slope 0.2, gain sqrt 2)."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

SLOPE = 0.2
GAIN = math.sqrt(2)  # keeps the variance of what passes a leaky ReLU near one


def bias_act(x: Tensor, bias: Tensor, *, slope: float = SLOPE, gain: float = GAIN) -> Tensor:
    """`gain * leaky_relu(x + bias, slope)` for x (b, c, ...) and bias (c,); `slope`, `gain` > 0.

    A positive gain moves inside the activation, so that one new tensor is enough.
    """
    scaled = (bias * gain).to(x.dtype).view(1, -1, *[1] * (x.dim() - 2))
    return F.leaky_relu_(torch.add(scaled, x, alpha=gain), slope)


def bias_act_reference(
    x: Tensor, bias: Tensor, *, slope: float = SLOPE, gain: float = GAIN
) -> Tensor:
    """The definition of `bias_act`, element by element."""
    shifted = x + bias.view(1, -1, *[1] * (x.dim() - 2))
    return torch.where(shifted >= 0, shifted, shifted * slope) * gain
