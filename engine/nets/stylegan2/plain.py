"""Both networks as the paper writes them down, slow and obvious: the specification.

Every sample gets its own modulated weights, run as one grouped convolution; enlarging is a
transposed convolution followed by the blur (StyleGAN2, section 2.2 and appendix B). This is also
how the published code runs, and therefore the baseline of `benchmarks/generator.py`.
"""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.nets.stylegan2.discriminator import Discriminator
from engine.nets.stylegan2.generator import Generator
from engine.nets.stylegan2.layers import DEMODULATION_EPSILON, EqualLinear, StyledConv, ToRGB
from engine.ops.bias_act import bias_act_reference
from engine.ops.upfirdn2d import upfirdn2d_reference


def modulated_conv(
    x: Tensor,
    weight: Tensor,
    style: Tensor,
    *,
    demodulate: bool,
    up_kernel: Tensor | None = None,
) -> Tensor:
    """Convolve x (b, i, h, w) with `weight` (o, i, k, k) scaled per sample by `style` (b, i).

    `up_kernel` doubles the size: it is the blur after the transposed convolution.
    """
    batch, inputs, height, width = x.shape
    outputs, _, size, _ = weight.shape
    own = weight[None] / math.sqrt(inputs * size * size) * style.view(batch, 1, inputs, 1, 1)
    if demodulate:
        energy = own.square().sum(dim=(2, 3, 4), keepdim=True)
        own = own * torch.rsqrt(energy + DEMODULATION_EPSILON)
    grouped = x.reshape(1, batch * inputs, height, width)
    if up_kernel is None:
        own = own.reshape(batch * outputs, inputs, size, size)
        y = F.conv2d(grouped, own, padding=size // 2, groups=batch)
        return y.view(batch, outputs, height, width)
    own = own.transpose(1, 2).reshape(batch * inputs, outputs, size, size)
    y = F.conv_transpose2d(grouped, own, stride=2, groups=batch)
    y = y.view(batch, outputs, *y.shape[2:])
    return upfirdn2d_reference(y, up_kernel, pad=(1, 1))


def _linear(layer: EqualLinear, style: Tensor) -> Tensor:
    return F.linear(style, layer.weight * layer.scale, layer.bias * layer.rate)


def _styled(layer: StyledConv, x: Tensor, style: Tensor, noise: Tensor) -> Tensor:
    up_kernel = None if layer.conv.blur is None else layer.conv.blur.kernel
    y = modulated_conv(
        x,
        layer.conv.weight[0],
        _linear(layer.conv.modulation, style),
        demodulate=True,
        up_kernel=up_kernel,
    )
    return bias_act_reference(y + noise * layer.noise.weight, layer.activate.bias)


def _coloured(layer: ToRGB, x: Tensor, style: Tensor, picture: Tensor | None) -> Tensor:
    style = _linear(layer.conv.modulation, style)
    rgb = modulated_conv(x, layer.conv.weight[0], style, demodulate=False) + layer.bias
    if layer.upsample is None or picture is None:
        return rgb
    return rgb + upfirdn2d_reference(picture, layer.upsample.kernel, up=2, pad=(2, 1))


def synthesise(net: Generator, w_plus: Tensor, noise: Sequence[Tensor]) -> Tensor:
    """What `net(w_plus, noise=noise)` is defined to be, from the same parameters."""
    x = net.input.input.repeat(len(w_plus), 1, 1, 1)
    x = _styled(net.conv1, x, w_plus[:, 0], noise[0])
    picture = _coloured(net.to_rgb1, x, w_plus[:, 1], None)
    layer = 1
    for up, same, to_rgb in net.blocks():
        x = _styled(up, x, w_plus[:, layer], noise[layer])
        x = _styled(same, x, w_plus[:, layer + 1], noise[layer + 1])
        picture = _coloured(to_rgb, x, w_plus[:, layer + 2], picture)
        layer += 2
    return picture


def _conv_act(x: Tensor, weight: Tensor, bias: Tensor, *, stride: int = 1, pad: int = 0) -> Tensor:
    scaled = weight / math.sqrt(weight[0].numel())
    return bias_act_reference(F.conv2d(x, scaled, stride=stride, padding=pad), bias)


def discriminate(net: Discriminator, picture: Tensor) -> Tensor:
    """What `net(picture)` is defined to be for one group of samples and one plane of statistics."""
    own = dict(net.named_parameters()) | dict(net.named_buffers())
    x = _conv_act(picture, own["convs.0.0.weight"], own["convs.0.1.bias"])
    for block in (f"convs.{i}" for i in range(1, len(net.convs))):
        y = _conv_act(x, own[f"{block}.conv1.0.weight"], own[f"{block}.conv1.1.bias"], pad=1)
        y = upfirdn2d_reference(y, own[f"{block}.conv2.0.kernel"], pad=(2, 2))
        y = _conv_act(y, own[f"{block}.conv2.1.weight"], own[f"{block}.conv2.2.bias"], stride=2)
        x = upfirdn2d_reference(x, own[f"{block}.skip.0.kernel"], pad=(1, 1))
        shortcut = own[f"{block}.skip.1.weight"]
        x = F.conv2d(x, shortcut / math.sqrt(shortcut.shape[1]), stride=2)
        x = (y + x) / math.sqrt(2)
    spread = (x.var(dim=0, correction=0) + 1e-8).sqrt().mean()
    x = torch.cat([x, spread.expand(len(x), 1, 4, 4)], dim=1)
    x = _conv_act(x, own["final_conv.0.weight"], own["final_conv.1.bias"], pad=1).flatten(1)
    hidden, last = own["final_linear.0.weight"], own["final_linear.1.weight"]
    x = F.linear(x, hidden / math.sqrt(hidden.shape[1]))
    x = bias_act_reference(x, own["final_linear.0.bias"])
    return F.linear(x, last / math.sqrt(last.shape[1]), own["final_linear.1.bias"])
