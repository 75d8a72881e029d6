"""Augmented views of a picture, and expressions over a classifier's probabilities on them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Self

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.nets.nano.trunk import resized

Reduction = Literal["mean", "min"]

VIEW = re.compile(r"clean|flip|jpeg\d{1,3}|blur\d+(?:\.\d+)?")
SUMMAND = re.compile(r"(?:(?P<factor>\d*\.?\d+)\*)?(?P<of>.+)")
CALL = re.compile(r"(?P<reduction>mean|min)\((?P<views>[^()]+)\)")


def check_view(view: str) -> str:
    """Return the name of a view; ValueError for an unknown one."""
    blank = view.startswith("blur") and float(view.removeprefix("blur") or 0) == 0
    if not VIEW.fullmatch(view) or blank:
        raise ValueError(f"unknown view `{view}`, known: clean, flip, jpeg75, blur0.6")
    return view


def apply_view(pictures: Tensor, view: str) -> Tensor:
    """A view of pictures (b, 3, h, w): itself, mirrored, or degraded.

    `jpegQ` halves the size and doubles it again, whatever Q: a differentiable approximation of
    compression. `blurS` is a Gaussian blur of S px.
    """
    if view == "clean":
        return pictures
    if view == "flip":
        return pictures.flip(3)
    if view.startswith("jpeg"):
        height, width = pictures.shape[2:]
        half = F.interpolate(
            pictures, size=(height // 2, width // 2), mode="bilinear", antialias=True
        )
        return F.interpolate(half, size=(height, width), mode="bilinear")
    return _blurred(pictures, float(view.removeprefix("blur")))


def resized_view(pictures: Tensor, view: str, size: int) -> Tensor:
    """A view at a network's input size: (b, 3, size, size), antialiased."""
    return apply_view(resized(pictures, size), view)


@dataclass(frozen=True, slots=True)
class Summand:
    """A factor times the mean or the minimum over views."""

    factor: float
    reduction: Reduction
    views: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Aggregate:
    """A sum such as `mean(clean,flip)+0.5*min(jpeg75,blur0.6)`.

    >>> Aggregate.parse("mean(clean,flip) + 0.5*jpeg75").views
    ('clean', 'flip', 'jpeg75')
    """

    summands: tuple[Summand, ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse an expression; ValueError explains a syntax error."""
        return cls(tuple(_summand(part) for part in "".join(text.split()).split("+")))

    @property
    def views(self) -> tuple[str, ...]:
        """Every view in it, once."""
        return tuple(dict.fromkeys(view for part in self.summands for view in part.views))

    def __call__(self, values: Mapping[str, Tensor]) -> Tensor:
        """Evaluate the expression for the value of each view, all of one shape."""
        total = torch.zeros_like(values[self.views[0]])
        for part in self.summands:
            rows = torch.stack([values[view] for view in part.views])
            total = total + part.factor * (
                rows.mean(0) if part.reduction == "mean" else rows.amin(0)
            )
        return total


def _summand(text: str) -> Summand:
    match = SUMMAND.fullmatch(text)
    if match is None:
        raise ValueError(
            "an expression over views is a sum such as `mean(clean,flip)+0.5*min(jpeg75,blur0.6)`"
        )
    factor = float(match["factor"] or 1)
    if call := CALL.fullmatch(match["of"]):
        views = tuple(check_view(view) for view in call["views"].split(","))
        return Summand(factor, "mean" if call["reduction"] == "mean" else "min", views)
    return Summand(factor, "mean", (check_view(match["of"]),))


def _blurred(pictures: Tensor, sigma: float) -> Tensor:
    radius = max(1, int(3 * sigma))
    offsets = torch.arange(-radius, radius + 1, device=pictures.device, dtype=pictures.dtype)
    taps = (-0.5 * (offsets / sigma).square()).softmax(dim=0).expand(3, 1, 1, -1)
    padded = F.pad(pictures, (radius,) * 4, mode="replicate")
    return F.conv2d(F.conv2d(padded, taps, groups=3), taps.transpose(2, 3), groups=3)
