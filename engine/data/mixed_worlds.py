"""Portraits with shares of landscapes and photographs, for networks that have to work on all."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import cv2
import numpy as np
import torch
from pydantic import Field, model_validator
from torch import Tensor

from engine.core.errors import InputError, PictureError, UsageError
from engine.core.progress import Progress, reported
from engine.core.table import Table, fault_of
from engine.data.landscapes import Landscapes, WorldPlan
from engine.data.landscapes import rendered as rendered_landscapes
from engine.data.portraits import PortraitData, PortraitSet, rendered
from engine.images.ranges import to_tensors
from engine.images.reading import find_pictures, read_picture
from engine.runtime.draws import Draws

SMALLEST = 16
"""Pixels that the shorter side of a photograph needs."""


class LandscapeShare(Table):
    """Landscapes among the portraits, of the same size."""

    train: WorldPlan
    validation: WorldPlan
    share: float = Field(default=0.3, gt=0, lt=1)
    """Share of landscapes in a batch."""


class PhotographShare(Table):
    """Photographs of a folder among the drawn pictures, at their own size."""

    folder: str
    share: float = Field(default=0.2, gt=0, lt=1)
    """Share of photographs in a batch."""


class MixedData(PortraitData):
    """Portraits, and landscapes and photographs if there are any."""

    landscapes: LandscapeShare | None = None
    photographs: PhotographShare | None = None
    """For training alone: the validation is drawn."""

    @model_validator(mode="after")
    def _same_size(self) -> Self:
        share = self.landscapes
        if share and not share.train.size == share.validation.size == self.train.size:
            raise fault_of("`train.size` and the sizes of `landscapes` differ")
        return self


@dataclass(frozen=True, slots=True, eq=False)
class CleanPictures:
    """The pictures of the training side: portraits, and shares of others if there are any."""

    portraits: PortraitSet
    landscapes: Landscapes | None
    share: float
    photographs: np.ndarray | None = None
    photographs_share: float = 0.0

    @classmethod
    def rendered(cls, data: MixedData, progress: Progress) -> "CleanPictures":
        """The drawn sets from the cache folder, or rendered into it now; photographs are read."""
        portraits, share, photos = rendered(data.train, progress), data.landscapes, data.photographs
        return cls(
            portraits,
            None if share is None else rendered_landscapes(share.train, progress),
            0.0 if share is None else share.share,
            None if photos is None else _read(Path(photos.folder), data.train.size, progress),
            0.0 if photos is None else photos.share,
        )

    def batch(self, draws: Draws, *, batch: int) -> Tensor:
        """Pictures (b, 3, s, s) in [-1, 1] for one step."""
        pictures = self.portraits.tensor(draws.shuffled(len(self.portraits), batch=batch))
        # The names of these draws seed them: another name would be another training.
        if self.landscapes is not None:
            others = self.landscapes.tensor(draws.integers("scape", 0, len(self.landscapes)))
            chosen = draws.uniform("outside") < self.share
            pictures = torch.where(chosen[:, None, None, None], others, pictures)
        if self.photographs is not None:
            rows = draws.integers("photograph", 0, len(self.photographs))
            others = to_tensors(self.photographs[rows.numpy()])
            chosen = draws.uniform("photographed") < self.photographs_share
            pictures = torch.where(chosen[:, None, None, None], others, pictures)
        return pictures


def _read(folder: Path, size: int, progress: Progress) -> np.ndarray:
    """The middles (n, size, size, 3) of the photographs of a folder, mirrored where they end.

    A picture that cannot be read is left out; InputError if none is left.
    """
    if not folder.is_dir():
        raise UsageError(f"`{folder}` is not a folder of photographs")
    files = find_pictures(folder).pictures
    middles: list[np.ndarray] = []
    with reported(progress, "Reading photographs", len(files)):
        for file in files:
            try:
                pixels = read_picture(file).pixels
            except PictureError as error:
                progress.remark(f"{file.name} is left out: {error.reason}")
            else:
                if min(pixels.shape[:2]) >= SMALLEST:
                    middles.append(_middle(pixels, size))
            progress.advance(file.name)
    if not middles:
        raise InputError(f"`{folder}` has no photograph of at least {SMALLEST} px that can be read")
    return np.stack(middles)


def _middle(pixels: np.ndarray, size: int) -> np.ndarray:
    height, width = pixels.shape[:2]
    top, left = max(height - size, 0) // 2, max(width - size, 0) // 2
    part = pixels[top : top + size, left : left + size]
    down, across = (size - side for side in part.shape[:2])
    above, before = down // 2, across // 2
    edges = above, down - above, before, across - before
    return np.asarray(cv2.copyMakeBorder(part, *edges, borderType=cv2.BORDER_REFLECT_101))
