"""A person's aligned photos as a training needs them: in memory, with ages, on two sides."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from engine.core.errors import InputError, PictureError, UsageError
from engine.core.progress import Progress, reported
from engine.data.ages import AgeSource
from engine.data.manifest import MANIFEST, Row, adopt, read_manifest
from engine.images.ranges import to_tensors
from engine.images.reading import read_picture
from engine.prep.split import split_rows

TEST_SHARE, SPLIT_SEED = 0.1, 0


@dataclass(frozen=True, slots=True, eq=False)
class Photos:
    """Aligned photos of one person.

    pictures: uint8 RGB (n, size, size, 3); ages: float32 (n,) in years; names: from the folder on.
    """

    pictures: np.ndarray
    ages: np.ndarray
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.pictures)

    @property
    def youngest(self) -> float:
        """Lowest age of any photo."""
        return float(self.ages.min())

    @property
    def oldest(self) -> float:
        """Highest age of any photo."""
        return float(self.ages.max())

    def tensor(self, rows: Sequence[int] | Tensor, mirrored: Tensor | None = None) -> Tensor:
        """Photos as float32 (b, 3, size, size) in [-1, 1], flipped where `mirrored` (b,)."""
        chosen = rows.tolist() if isinstance(rows, Tensor) else list(rows)
        pictures = to_tensors(self.pictures[chosen])
        if mirrored is None:
            return pictures
        return torch.where(mirrored[:, None, None, None], pictures.flip(3), pictures)


@dataclass(frozen=True, slots=True, eq=False)
class Sides:
    """The photos that are learned from, and those held out."""

    train: Photos
    test: Photos


def read_photos(folder: Path, size: int, progress: Progress) -> Sides:
    """Read a folder of aligned photos, by its manifest or by names such as `30_11.png`.

    The sides are those of `tm prep split`, else a tenth by content is held out. Photos without an
    age or not square, and those that cannot be read, are told of and left out. InputError if fewer
    than two are left.
    """
    if not folder.is_dir():
        raise UsageError(f"`{folder}` is no folder of photos")
    if (folder / MANIFEST).is_file():
        rows = [row for row in read_manifest(folder) if row.usable and row.output]
    else:
        rows = adopt(folder, AgeSource())
    aged = [row for row in rows if row.age is not None]
    if len(aged) < len(rows):
        progress.remark(f"{len(rows) - len(aged)} photos in `{folder}` have no age: left out")
    if len(aged) < 2:
        raise InputError(
            f"`{folder}` has {len(aged)} usable photos with an age",
            hint="name them `30_11.png`, or prepare them with `tm prep align --ages`",
        )
    if not {"train", "test"} <= {row.split for row in aged}:
        aged = split_rows(aged, test=TEST_SHARE, seed=SPLIT_SEED)
    read: list[tuple[Row, np.ndarray]] = []
    with reported(progress, "Reading photos", len(aged)):
        for row in sorted(aged, key=lambda row: str(row.output)):
            try:
                read.append((row, _square(folder / str(row.output), size)))
            except PictureError as error:
                progress.remark(f"`{row.output}` {error.reason}: left out")
            progress.advance(str(row.output))
    sides = {side: [pair for pair in read if pair[0].split == side] for side in ("train", "test")}
    for side, pairs in sides.items():
        if not pairs:
            raise InputError(f"`{folder}` has no readable photo on the {side} side")
    return Sides(_photos(sides["train"]), _photos(sides["test"]))


def _photos(pairs: Sequence[tuple[Row, np.ndarray]]) -> Photos:
    return Photos(
        pictures=np.stack([picture for _, picture in pairs]),
        ages=np.asarray([row.age for row, _ in pairs], np.float32),
        names=tuple(str(row.output) for row, _ in pairs),
    )


def _square(path: Path, size: int) -> np.ndarray:
    """An aligned photo at `size`, averaged down as the published encoders were trained."""
    pixels = read_picture(path, max_megapixels=250.0).pixels
    height, width = pixels.shape[:2]
    if height != width:
        raise PictureError(f"is {width} x {height} px, no square: align it first")
    if width == size:
        return pixels
    picture = Image.fromarray(pixels).resize((size, size), Image.Resampling.BILINEAR)
    return np.asarray(picture)
