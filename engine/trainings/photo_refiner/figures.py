"""Faces at other ages without and with the refiner, and what a network sees of the change."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.photo.frame import Floats, Pixels
from engine.photo.refiner import RefinerNet, lit, softened
from engine.trainings.photo_refiner.crops import AgedCrops, aged_at
from engine.trainings.photo_refiner.views import warped


class Compared(NamedTuple):
    """A face at another age, without and with the refiner; size: mean log factor of light."""

    row: int
    asked: float
    plain: Pixels
    refined: Pixels
    points: Floats
    size: float


@torch.no_grad()
def compared(
    net: RefinerNet,
    crops: AgedCrops,
    rows: Sequence[int],
    device: torch.device,
    columns: Sequence[int] | None = None,
) -> list[Compared]:
    """Faces at each of their targets, or at some of them, without and with the refiner."""
    found: list[Compared] = []
    every = range(crops.targets.shape[1]) if columns is None else columns
    for row in rows:
        for column in every:
            one = aged_at(crops, torch.tensor([row]), torch.tensor([column]), torch.tensor([False]))
            picture, mask = one.picture.to(device), one.mask.to(device)
            raw = net(picture, mask, one.age.to(device), one.target.to(device))
            light = softened(raw) * mask
            offsets = one.offsets.to(device)
            plain, refined = (
                _pixels(warped(each, offsets)) for each in (picture, lit(picture, light))
            )
            size = float(light.abs().sum() / mask.sum().clamp(min=1.0))
            asked = float(one.target - one.age)
            found.append(Compared(row, asked, plain, refined, one.points[0].numpy(), size))
    return found


def shares(name: str, asked: NDArray[np.float64], seen: NDArray[np.float64]) -> dict[str, float]:
    """The seen change in shares of the asked one, towards older and towards younger."""
    figures: dict[str, float] = {}
    for side, rows in (("older", asked > 0), ("younger", asked < 0)):
        total = float((asked[rows] ** 2).sum())
        value = float((asked[rows] * seen[rows]).sum()) / total if total > 0 else float("nan")
        figures[f"{name}/{side}"] = value
    return figures


def _pixels(picture: Tensor) -> Pixels:
    levels = ((picture[0].permute(1, 2, 0).cpu().numpy() + 1) * 127.5).round()
    return levels.clip(0, 255).astype(np.uint8)
