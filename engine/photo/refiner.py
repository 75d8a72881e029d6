"""A small network on top of the fitted prior: the shade of creases and hollows, person by person.

The prior holds means over people, and a mean of creases that lie elsewhere in every face is flat.
The refiner sees the face as the prior has changed it, and multiplies its light (as re-ageing
networks add a residual: Zoss et al. 2022, FRAN). It begins as no change, never lightens the skin as
a whole, and leaves eyes, lips, teeth, glasses, hair and background alone.
"""

from collections.abc import Mapping
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.core.errors import WeightsError

STRONGEST = 0.35
"""Bound of the log factor of light."""
HIGHLIGHTS = 0.5
"""Share of what the refiner makes lighter: on smooth skin, which the portraits hardly have, all of
it looks wet."""
FULL_YEARS = 15.0
"""Years of change from which the refiner has its whole strength, about."""
CENTRE, SPREAD, YEARS = 57.0, 20.0, 30.0
"""How ages and their difference become planes of about -1..1."""
WIDTHS = (12, 24, 48, 64)
LARGEST_NUMBER = 100.0


class RefinerNet(nn.Module):
    """A U-Net of four levels: averages on the way down, bilinear on the way up.

    So it has no lattice of strides, which an age network in the loss would soon exploit.
    """

    def __init__(self) -> None:
        super().__init__()
        first, *_ = WIDTHS
        self.down = nn.ModuleList(
            [nn.Sequential(_block(6, first), _block(first, first))]
            + [nn.Sequential(_block(a, b), _block(b, b)) for a, b in pairwise(WIDTHS)]
        )
        self.up = nn.ModuleList(_block(a + b, a) for a, b in pairwise(WIDTHS))
        self.last = nn.Conv2d(first, 1, 3, padding=1, padding_mode="replicate")
        nn.init.zeros_(self.last.weight)
        assert self.last.bias is not None
        nn.init.zeros_(self.last.bias)

    def forward(self, picture: Tensor, mask: Tensor, source: Tensor, target: Tensor) -> Tensor:
        """The log factor of light (b, 1, 192, 192) before the mask, 0 in its mean over that.

        picture: (b, 3, 192, 192) in [-1, 1], already changed by the prior; mask: (b, 1, 192, 192)
        in 0..1; source, target: ages (b,).
        """
        years = target - source
        ages = torch.stack([_standard(source), _standard(target), years / YEARS], 1)
        planes = ages[:, :, None, None].expand(-1, -1, *picture.shape[2:])
        x = torch.cat([picture - picture.mean((2, 3), keepdim=True), planes], 1)
        maps: list[Tensor] = []
        for level, block in enumerate(self.down):
            x = block(x if level == 0 else F.avg_pool2d(x, 2))
            maps.append(x)
        for block, beside in zip(reversed(self.up), reversed(maps[:-1]), strict=True):
            larger = F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
            x = block(torch.cat([larger, beside], 1))
        raw = self.last(x)
        strength = torch.tanh(years.abs() / FULL_YEARS)[:, None, None, None]
        light = STRONGEST * torch.tanh(raw - _mean(raw, mask)) * strength
        return light - _mean(light, mask)

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor], name: str) -> "RefinerNet":
        """The network of a file; WeightsError unless its tensors are complete, finite, of size."""
        net = cls()
        own = net.state_dict()
        if set(state) != set(own):
            raise WeightsError(f"`{name}` lacks or adds arrays of a refiner")
        for key, tensor in state.items():
            if tensor.shape != own[key].shape or not tensor.is_floating_point():
                raise WeightsError(
                    f"`{key}` in `{name}` is {tuple(tensor.shape)}, not {tuple(own[key].shape)}"
                )
            if not bool((tensor.float().abs() < LARGEST_NUMBER).all()):
                raise WeightsError(f"`{key}` in `{name}` holds numbers that no refiner has")
        net.load_state_dict({key: tensor.float() for key, tensor in state.items()})
        return net.eval().requires_grad_(False).to(memory_format=torch.channels_last)


def softened(light: Tensor) -> Tensor:
    """The log factor of light as it is shown: what grows lighter, by HIGHLIGHTS alone."""
    return torch.where(light > 0, HIGHLIGHTS * light, light)


def lit(picture: Tensor, light: Tensor) -> Tensor:
    """A picture (b, 3, h, w) in [-1, 1] under a log factor (b, 1, h, w) of its light."""
    return ((picture + 1) / 2 * torch.exp(light)).clamp(0, 1) * 2 - 1


def _block(planes: int, out: int) -> nn.Module:
    conv = nn.Conv2d(planes, out, 3, padding=1, padding_mode="replicate")
    return nn.Sequential(conv, nn.LeakyReLU(0.2))


def _standard(age: Tensor) -> Tensor:
    return (age - CENTRE) / SPREAD


def _mean(plane: Tensor, mask: Tensor) -> Tensor:
    """The mean (b, 1, 1, 1) of a plane over a mask."""
    total = mask.sum((2, 3), keepdim=True).clamp(min=1.0)
    return (plane * mask).sum((2, 3), keepdim=True) / total
