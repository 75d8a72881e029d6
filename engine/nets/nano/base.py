"""Style codes that need no training: principal components of aligned portraits, exact and linear.

Aligned faces of one world lie close to a linear subspace at low resolution (eigenfaces, Turk and
Pentland 1991), so an eigendecomposition finds in seconds what descent takes hours to learn, and
inversion is a projection. Three bases: luma at a quarter of the side, colour there too, and what
the luma of a window round the face has beyond that at half the side, where eyes and mouth form.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.core.luma import REC_601

# Luma and two colour differences of RGB (ITU-R BT.601).
TO_YCC = (REC_601, (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))
FROM_YCC = torch.linalg.inv(torch.tensor(TO_YCC))
NAMES = ("luma", "colour", "detail")
KEPT = ("mean", "basis", "spread")


@dataclass(frozen=True, slots=True)
class BaseSpec:
    """Side of the portrait in px, components of the three bases, height and width of the window."""

    size: int = 128
    luma: int = 384
    colour: int = 128
    detail: int = 512
    window: tuple[int, int] = (50, 44)

    @property
    def numbers(self) -> int:
        """Numbers of a portrait."""
        return self.luma + self.colour + self.detail

    @classmethod
    def of(cls, state: Mapping[str, Tensor], *, prefix: str = "") -> Self:
        """Read the shape off a state dict; KeyError where it holds no base."""
        mean = state[f"{prefix}detail_mean"]
        luma, colour, detail = (state[f"{prefix}{name}_basis"].shape[1] for name in NAMES)
        size = 4 * state[f"{prefix}luma_mean"].shape[-1]
        return cls(size, luma, colour, detail, (mean.shape[-2], mean.shape[-1]))


class PortraitBase(nn.Module):
    """Codes (b, numbers), each of mean 0 and variance 1, to portraits at half the side."""

    def __init__(self, spec: BaseSpec) -> None:
        super().__init__()
        self.spec = spec
        quarter, side = spec.size // 4, spec.size // 2
        shapes = {
            "luma": (1, quarter, quarter, spec.luma),
            "colour": (2, quarter, quarter, spec.colour),
            "detail": (1, *spec.window, spec.detail),
        }
        for name, (planes, height, width, count) in shapes.items():
            mean = torch.zeros(planes, height, width)
            self.register_buffer(f"{name}_mean", mean)
            self.register_buffer(f"{name}_basis", torch.zeros(mean.numel(), count))
            self.register_buffer(f"{name}_spread", torch.ones(count))
        height, width = spec.window
        # The chin is nearer to the lower edge than the brows to the upper: the window lies low.
        top, left = side - height - side // 16, (side - width) // 2
        self.rows, self.columns = slice(top, top + height), slice(left, left + width)
        self.margins = (left, side - left - width, top, side - top - height)

    def codes(self, picture: Tensor) -> Tensor:
        """Codes (b, numbers) of portraits (b, 3, size, size) in [-1, 1]: a projection."""
        with torch.autocast(picture.device.type, enabled=False):
            return self._codes(_ycc(F.avg_pool2d(picture.float(), 2)), offset=True)

    def change(self, difference: Tensor) -> Tensor:
        """Change of the codes, (b, numbers), for one of the portrait at half side, (b, 3, h, h)."""
        with torch.autocast(difference.device.type, enabled=False):
            return self._codes(_ycc(difference.float()), offset=False)

    def forward(self, codes: Tensor) -> Tensor:
        """Portraits (b, 3, size / 2, size / 2) of codes (b, numbers)."""
        spec = self.spec
        luma, colour, detail = codes.float().split([spec.luma, spec.colour, spec.detail], dim=1)
        # Half precision would show: a portrait is a sum of hundreds of components.
        with torch.autocast(codes.device.type, enabled=False):
            upper = enlarged(self._from("luma", luma), 2)
            upper = upper + F.pad(self._from("detail", detail), self.margins)
            planes = torch.cat([upper, enlarged(self._from("colour", colour), 2)], dim=1)
            return _mixed(FROM_YCC.to(planes), planes)

    @torch.no_grad()
    def fit(self, pictures: Iterable[Tensor]) -> Self:
        """Learn the bases from batches of portraits (b, 3, size, size), more than components."""
        halves = torch.cat([_ycc(F.avg_pool2d(batch.float(), 2)) for batch in pictures])
        quarters = F.avg_pool2d(halves, 2)
        self._fit("luma", quarters[:, :1])
        self._fit("colour", quarters[:, 1:])
        coarse = [
            enlarged(self._from("luma", self._to("luma", batch)), 2)
            for batch in quarters[:, :1].split(500)
        ]
        self._fit("detail", (halves[:, :1] - torch.cat(coarse))[..., self.rows, self.columns])
        return self

    def _codes(self, planes: Tensor, *, offset: bool) -> Tensor:
        small = F.avg_pool2d(planes, 2)
        luma = self._to("luma", small[:, :1], offset=offset)
        upper = enlarged(self._from("luma", luma, offset=offset), 2)
        beyond = (planes[:, :1] - upper)[..., self.rows, self.columns]
        colour = self._to("colour", small[:, 1:], offset=offset)
        return torch.cat([luma, colour, self._to("detail", beyond, offset=offset)], dim=1)

    def _kept(self, name: str) -> tuple[Tensor, Tensor, Tensor]:
        mean, basis, spread = (self.get_buffer(f"{name}_{what}").float() for what in KEPT)
        return mean, basis, spread

    def _to(self, name: str, planes: Tensor, *, offset: bool = True) -> Tensor:
        mean, basis, spread = self._kept(name)
        centred = planes - mean if offset else planes
        return centred.flatten(1) @ basis / spread

    def _from(self, name: str, codes: Tensor, *, offset: bool = True) -> Tensor:
        mean, basis, spread = self._kept(name)
        planes = ((codes * spread) @ basis.T).unflatten(1, mean.shape)
        return planes + mean if offset else planes

    def _fit(self, name: str, planes: Tensor) -> None:
        mean, basis, spread = (self.get_buffer(f"{name}_{what}") for what in KEPT)
        count = len(spread)
        if len(planes) <= count:
            raise ValueError(f"{len(planes)} portraits cannot give {count} components")
        middle = planes.mean(dim=0)
        centred = (planes - middle).flatten(1)
        variances, directions = torch.linalg.eigh((centred.T @ centred / len(planes)).double())
        mean.copy_(middle)
        basis.copy_(directions.flip(1)[:, :count])
        # Where pictures do not vary at all, a code of 0 is exact whatever the spread.
        spread.copy_(variances.flip(0)[:count].clamp(min=1e-10).sqrt())


def enlarged(picture: Tensor, times: int) -> Tensor:
    """The picture (b, c, h, w) with sides `times` as long, bicubic."""
    return F.interpolate(picture, scale_factor=times, mode="bicubic", align_corners=False)


def _ycc(rgb: Tensor) -> Tensor:
    return _mixed(rgb.new_tensor(TO_YCC), rgb)


def _mixed(weights: Tensor, planes: Tensor) -> Tensor:
    return torch.einsum("ij,bjhw->bihw", weights, planes)
