"""StyleGAN2's discriminator under rosinality's state-dict keys (StyleGAN2, section 4.1)."""

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.nets.loading import built
from engine.nets.stylegan2.layers import Activation, Blur, EqualLinear
from engine.nets.stylegan2.spec import RGB, DiscriminatorSpec


class EqualConv(nn.Module):
    """Convolution without bias whose stored weight is unit normal; the forward pass scales it."""

    def __init__(
        self, inputs: int, outputs: int, size: int, *, stride: int = 1, pad: int = 0
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, size, size))
        self.scale = 1 / math.sqrt(inputs * size * size)
        self.stride = stride
        self.pad = pad

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight * self.scale, stride=self.stride, padding=self.pad)


class Residual(nn.Module):
    """Two convolutions, the second at half the size, beside a 1x1 shortcut; variance kept."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = nn.Sequential(EqualConv(inputs, inputs, 3, pad=1), Activation(inputs))
        self.conv2 = nn.Sequential(
            Blur(pad=(2, 2)), EqualConv(inputs, outputs, 3, stride=2), Activation(outputs)
        )
        # Only every second pixel reaches the 1x1 convolution: the blur computes no other.
        self.skip = nn.Sequential(Blur(pad=(1, 1), down=2), EqualConv(inputs, outputs, 1))

    def forward(self, x: Tensor) -> Tensor:
        return (self.conv2(self.conv1(x)) + self.skip(x)) / math.sqrt(2)


def minibatch_deviation(x: Tensor, *, group: int, features: int) -> Tensor:
    """Append `features` planes: how much the samples of a group differ (Karras et al. 2018, 3).

    x is (b, c, h, w). The group is the largest divisor of b not above `group`, so every batch
    size works; a group of one gives zeros.
    """
    batch, channels, height, width = x.shape
    group = next(n for n in range(min(group, batch), 0, -1) if batch % n == 0)
    grouped = x.view(group, -1, features, channels // features, height, width)
    deviation = (grouped.var(dim=0, correction=0) + 1e-8).sqrt()
    mean = deviation.mean(dim=(2, 3, 4), keepdim=True).squeeze(2)
    return torch.cat([x, mean.repeat(group, 1, height, width)], dim=1)


class Discriminator(nn.Module):
    """RGB pictures (b, 3, size, size) in [-1, 1] to logits (b, 1): positive means real."""

    def __init__(self, spec: DiscriminatorSpec) -> None:
        super().__init__()
        self.spec = spec
        widths = spec.channels[::-1]
        self.convs = nn.Sequential(
            nn.Sequential(EqualConv(RGB, widths[0], 1), Activation(widths[0])),
            *(Residual(a, b) for a, b in pairwise(widths)),
        )
        last = widths[-1]
        self.final_conv = nn.Sequential(
            EqualConv(last + spec.std_features, last, 3, pad=1), Activation(last)
        )
        self.final_linear = nn.Sequential(
            EqualLinear(last * 16, last, active=True), EqualLinear(last, 1)
        )

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> Self:
        """The discriminator that a state dict describes, holding its tensors."""
        spec = DiscriminatorSpec.of(state)
        return built(lambda: cls(spec), state, name=f"a {spec.size} px StyleGAN2 discriminator")

    def features(self, picture: Tensor) -> Tensor:
        """What the logit is read from, flattened: (b, 16 * channels at 4 px)."""
        x = self.convs(picture.contiguous(memory_format=torch.channels_last))
        x = x.contiguous()
        x = minibatch_deviation(x, group=self.spec.std_group, features=self.spec.std_features)
        return self.final_conv(x).flatten(1)

    def forward(self, picture: Tensor) -> Tensor:
        return self.final_linear(self.features(picture))
