"""What the landscape trainings share: their data, batches, and grids of samples."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from engine.core.progress import Progress
from engine.data.landscapes import (
    Balance,
    Landscapes,
    PhotoPlan,
    WorldPlan,
    read_rated,
    rendered,
    sides,
)
from engine.images.ranges import to_pixels
from engine.runtime.draws import Draws

TOGETHER = 64


@dataclass(frozen=True, slots=True)
class ScapeSource:
    """Where landscapes come from: the world, or a folder of rated photos."""

    learn: WorldPlan
    check: WorldPlan
    photos: Path | None = None
    rated: PhotoPlan = field(default_factory=PhotoPlan)
    balanced: bool = True
    """Whether rare places of the plane come up more often, where they are rare at all."""
    label_noise: float = 0.0
    """Standard deviation of what is added to places."""
    flip: bool = True

    @property
    def scale(self) -> str:
        """The scale of ratings that a checkpoint tells of."""
        return "0..1" if self.photos is None else self.rated.scale


class Data(NamedTuple):
    """Landscapes to learn from and those held out, and how rows are drawn."""

    learn: Landscapes
    check: Landscapes
    balance: Balance | None


def gathered(source: ScapeSource, progress: Progress) -> Data:
    """Render or read both sides; what was left out is told."""
    if source.photos is None:
        learn, check = (rendered(plan, progress) for plan in (source.learn, source.check))
        return Data(learn, check, None)
    photos = read_rated(source.photos, source.rated, source.learn.size, progress)
    for told in photos.counted:
        progress.remark(told)
    learn, check = sides(photos, source.rated.test)
    return Data(learn, check, Balance(learn.places) if source.balanced else None)


def scape_batch(data: Data, source: ScapeSource, draws: Draws, batch: int) -> dict[str, Tensor]:
    """`real` pictures (b, 3, s, s) and their `places` (b, 2)."""
    if data.balance is None:
        rows = draws.shuffled(len(data.learn), batch=batch)
    else:
        rows = data.balance.rows(draws, "rows")
    mirrored = draws.uniform("mirrored") < 0.5 if source.flip else None
    places = data.learn.place(rows)
    if source.label_noise:
        places = (places + source.label_noise * draws.normal("label", 2)).clamp(0, 1)
    return {"real": data.learn.tensor(rows, mirrored), "places": places}


def in_parts(net: Callable[..., Tensor], device: torch.device, *inputs: Tensor) -> Tensor:
    """What a network says of many inputs, (n, ...) on the CPU."""
    parts = zip(*(each.split(TOGETHER) for each in inputs), strict=True)
    return torch.cat([net(*(x.to(device) for x in part)).float().cpu() for part in parts])


def plane(steps: int, low: float = 0.0, high: float = 1.0) -> Tensor:
    """Places (steps², 2) over the plane: rows of valence from the top down, columns of arousal."""
    ticks = torch.linspace(low, high, steps)
    return torch.stack([ticks.flip(0).repeat_interleave(steps), ticks.repeat(steps)], dim=1)


def tiled(pictures: Tensor, columns: int) -> np.ndarray:
    """Pictures (n, 3, s, s) in [-1, 1] in rows of `columns`, uint8 RGB (h, w, 3)."""
    tiles = [to_pixels(picture) for picture in pictures]
    lines = [np.concatenate(tiles[at : at + columns], 1) for at in range(0, len(tiles), columns)]
    return np.concatenate(lines)
