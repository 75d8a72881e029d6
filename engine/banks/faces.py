"""The aligned pictures of a folder with their ages."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.core.errors import InputError, PictureError
from engine.data.ages import AgeSource
from engine.data.manifest import MANIFEST, adopt, read_manifest
from engine.images.ranges import to_tensor
from engine.images.reading import read_picture
from engine.images.srgb import Pixels

SIDE = 256
"""px to which larger pictures are averaged down, the input size of the losses."""
NO_AGE = "the age is unknown"


@dataclass(frozen=True, slots=True)
class Face:
    """One aligned picture: path, age in years and person, None if unknown."""

    path: Path
    age: float | None
    person: str | None = None


def faces_in(folder: Path, ages: AgeSource) -> list[Face]:
    """The usable pictures of a folder, by its manifest or by their names.

    Ages of a CSV override the manifest. InputError if no picture is usable.
    """
    prepared = (folder / MANIFEST).is_file()
    rows = read_manifest(folder) if prepared else adopt(folder, ages)
    faces: list[Face] = []
    for row in rows:
        if row.usable and row.output is not None:
            known = ages.age_of(Path(row.output), None)
            override = known is not None and (known.source == "csv" or row.age is None)
            age = known.years if known is not None and override else row.age
            faces.append(Face(folder / row.output, age, row.person))
    if not faces:
        raise InputError(f"there is no usable picture in `{folder}`")
    return faces


def read_portrait(path: Path) -> Tensor:
    """Read an aligned picture as `portrait_of` returns it; PictureError if that fails."""
    return portrait_of(read_picture(path).pixels)


def portrait_of(pixels: Pixels) -> Tensor:
    """An aligned face uint8 (s, s, 3) as (1, 3, s, s) in [-1, 1].

    Averaged down to 256 px if that divides its side; PictureError if it is not square.
    """
    height, width = pixels.shape[:2]
    if height != width:
        raise PictureError(f"is not aligned: {width} x {height} px is no square")
    portrait = to_tensor(pixels)
    return F.adaptive_avg_pool2d(portrait, SIDE) if width % SIDE == 0 else portrait


def by_size(
    portraits: Sequence[Tensor], network: Callable[[Tensor], Tensor], device: torch.device
) -> Iterator[Tensor]:
    """Rows of a network's output on portraits (1, 3, s, s), runs of one size as one batch."""
    for _, group in groupby(portraits, key=lambda portrait: portrait.shape):
        yield from network(torch.cat(list(group)).to(device)).float().cpu()
