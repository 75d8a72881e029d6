"""The aligned pictures of a folder with their ages: what banks and anchors are made of."""

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

MEGAPIXELS = 250.0
SIDE = 256
"""px to which larger pictures are averaged, as losses see them."""
NO_AGE = "nothing tells how old the person is"


@dataclass(frozen=True, slots=True)
class Face:
    """One aligned picture: where it is, how old, and who, as far as it is known."""

    path: Path
    age: float | None
    person: str | None = None


def faces_in(folder: Path, ages: AgeSource) -> list[Face]:
    """The usable pictures of a folder, by its manifest or by their names.

    `ages` goes before the manifest where it lists a picture. InputError explains an empty folder.
    """
    prepared = (folder / MANIFEST).is_file()
    rows = read_manifest(folder) if prepared else adopt(folder, ages)
    faces: list[Face] = []
    for row in rows:
        if row.usable and row.output is not None:
            told = ages.age_of(Path(row.output), None)
            listed = told is not None and (told.source == "csv" or row.age is None)
            age = told.years if told is not None and listed else row.age
            faces.append(Face(folder / row.output, age, row.person))
    if not faces:
        raise InputError(f"there is no usable picture in `{folder}`")
    return faces


def read_portrait(path: Path) -> Tensor:
    """An aligned picture as `portrait_of` has it; PictureError says why there is none."""
    return portrait_of(read_picture(path, max_megapixels=MEGAPIXELS).pixels)


def portrait_of(pixels: Pixels) -> Tensor:
    """An aligned face uint8 (s, s, 3) as (1, 3, s, s) in [-1, 1].

    It is averaged down to 256 px where that divides its side; PictureError if it is no square.
    """
    height, width = pixels.shape[:2]
    if height != width:
        raise PictureError(f"is not aligned: {width} x {height} px is no square")
    portrait = to_tensor(pixels)
    return F.adaptive_avg_pool2d(portrait, SIDE) if width % SIDE == 0 else portrait


def in_sizes(
    portraits: Sequence[Tensor], make: Callable[[Tensor], Tensor], device: torch.device
) -> Iterator[Tensor]:
    """What a network makes of portraits (1, 3, s, s), those of one size together: row by row."""
    for _, same in groupby(portraits, key=lambda portrait: portrait.shape):
        yield from make(torch.cat(list(same)).to(device)).float().cpu()
