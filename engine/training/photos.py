"""A person's aligned photos in memory, with ages, split into training and test."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from engine.core.digest import file_sha256
from engine.core.errors import InputError, PictureError, UsageError
from engine.core.progress import Progress, reported
from engine.data.ages import AgeSource
from engine.data.manifest import MANIFEST, Row, adopt, read_manifest
from engine.faces.descriptor import aligned_box
from engine.faces.fitting import fit_points
from engine.geometry.ffhq import Quad
from engine.geometry.landmarks import COUNT, flip
from engine.images.ranges import to_tensors
from engine.images.reading import read_picture
from engine.prep.split import split_rows

TEST_SHARE, SPLIT_SEED = 0.1, 0


@dataclass(frozen=True, slots=True, eq=False)
class Photos:
    """Aligned photos of one person.

    pictures: uint8 RGB (n, size, size, 3); ages: float32 (n,) in years; names: paths relative to
    the folder; landmarks: float32 (n, 68, 2), those of the manifest in px of the pictures, pixel
    centres on whole numbers, NaN where it has none.
    """

    pictures: np.ndarray
    ages: np.ndarray
    names: tuple[str, ...]
    landmarks: np.ndarray

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
        indices = rows.tolist() if isinstance(rows, Tensor) else list(rows)
        pictures = to_tensors(self.pictures[indices])
        if mirrored is None:
            return pictures
        return torch.where(mirrored[:, None, None, None], pictures.flip(3), pictures)

    def with_landmarks(self, progress: Progress) -> "Photos":
        """The same with landmarks fitted anew where there are none, and a remark of how many."""
        missing = np.flatnonzero(~np.isfinite(self.landmarks).all(axis=(1, 2)))
        if not len(missing):
            return self
        landmarks, box = self.landmarks.copy(), aligned_box(self.pictures.shape[1])
        for row in missing:
            landmarks[row] = fit_points(self.pictures[row], box)
        progress.remark(
            f"{len(missing)} of {len(self)} photos have no landmarks in a manifest (`tm prep align`"
            " writes one): they were fitted to the pictures"
        )
        return replace(self, landmarks=landmarks)

    def landmarks_and_flips(self) -> Tensor:
        """Landmarks float32 (2n, 68, 2) of every photo, each followed by those of its flip."""
        width = self.pictures.shape[2]
        pairs = [[points, flip(points, width)] for points in self.landmarks]
        return torch.from_numpy(np.asarray(pairs, np.float32)).flatten(0, 1)


class _Photo(NamedTuple):
    """A row of the manifest with its picture (size, size, 3) and landmarks (68, 2)."""

    row: Row
    picture: np.ndarray
    landmarks: np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class SplitPhotos:
    """The photos of the training, and those held out."""

    train: Photos
    test: Photos


def read_photos(folder: Path, size: int, progress: Progress) -> SplitPhotos:
    """Read a folder of aligned photos, by its manifest or by names such as `30_11.png`.

    The split is that of `tm prep split`, else a tenth by content is held out. Photos without an
    age, unreadable ones and those that are not square are left out with a remark. InputError if
    fewer than two are left.
    """
    aged, ageless = _aged(folder)
    if ageless:
        progress.remark(f"{ageless} photos in `{folder}` have no age: left out")
    if not {"train", "test"} <= {row.split for row in aged}:
        aged = split_rows(aged, test=TEST_SHARE, seed=SPLIT_SEED)
    photos: list[_Photo] = []
    with reported(progress, "Reading photos", len(aged)):
        for row in sorted(aged, key=lambda row: str(row.output)):
            try:
                pixels = _square(folder / str(row.output))
                photos.append(
                    _Photo(row, _resized(pixels, size), _landmarks(row, len(pixels), size))
                )
            except PictureError as error:
                progress.remark(f"`{row.output}` {error.reason}: left out")
            progress.advance(str(row.output))
    split = {side: [p for p in photos if p.row.split == side] for side in ("train", "test")}
    for side, chosen in split.items():
        if not chosen:
            raise InputError(f"`{folder}` has no readable photo for the {side} split")
    return SplitPhotos(_stacked(split["train"]), _stacked(split["test"]))


def album_digest(folder: Path) -> str:
    """SHA-256 of names, ages, splits, persons, landmarks and contents; and the number of photos.

    UsageError if `folder` is not one.
    """
    rows = sorted(_usable(folder), key=lambda row: str(row.output))
    digest = hashlib.sha256()
    for row in rows:
        path = folder / str(row.output)
        content = file_sha256(path) if path.is_file() else "gone"
        parts = (row.output, row.age, row.split, row.person, row.landmarks, row.quad, content)
        digest.update(f"{parts}\n".encode())
    return f"{digest.hexdigest()} of {len(rows)} photos"


def require_photos(folder: Path) -> None:
    """Raise what `read_photos` would raise before it reads any photo."""
    _aged(folder)


def _aged(folder: Path) -> tuple[list[Row], int]:
    """The usable photos with an age, and how many have none."""
    rows = _usable(folder)
    aged = [row for row in rows if row.age is not None]
    if len(aged) < 2:
        raise InputError(
            f"`{folder}` has {len(aged)} usable photos with an age",
            hint="name them `30_11.png`, or prepare them with `tm prep align --ages`",
        )
    return aged, len(rows) - len(aged)


def _usable(folder: Path) -> list[Row]:
    if not folder.is_dir():
        raise UsageError(f"`{folder}` is not a folder of photos")
    if not (folder / MANIFEST).is_file():
        return adopt(folder, AgeSource())
    return [row for row in read_manifest(folder) if row.usable and row.output]


def _stacked(photos: Sequence[_Photo]) -> Photos:
    return Photos(
        pictures=np.stack([photo.picture for photo in photos]),
        ages=np.asarray([photo.row.age for photo in photos], np.float32),
        names=tuple(str(photo.row.output) for photo in photos),
        landmarks=np.stack([photo.landmarks for photo in photos]),
    )


def square_picture(path: Path, size: int) -> np.ndarray:
    """An aligned photo (size, size, 3), resized as for the training of the published encoders.

    PictureError for what cannot be read or is not square.
    """
    return _resized(_square(path), size)


def _square(path: Path) -> np.ndarray:
    pixels = read_picture(path, max_megapixels=250.0).pixels
    height, width = pixels.shape[:2]
    if height != width:
        raise PictureError(f"is {width} x {height} px, not square: align it first")
    return pixels


def _resized(pixels: np.ndarray, size: int) -> np.ndarray:
    if len(pixels) == size:
        return pixels
    picture = Image.fromarray(pixels).resize((size, size), Image.Resampling.BILINEAR)
    return np.asarray(picture)


def _landmarks(row: Row, side: int, size: int) -> np.ndarray:
    """Landmarks (68, 2) of a picture of `side` px, in px of `size`; NaN if they are unknown.

    The manifest has them in px of the source, from which the quad was cut; a rendered picture has
    no source.
    """
    if row.landmarks is None or (row.source is not None and row.quad is None):
        return np.full((COUNT, 2), np.nan, np.float32)
    cut = Quad.frame(side, side) if row.quad is None else Quad.of(row.quad)
    ones = np.ones((COUNT, 1))
    unit = np.hstack([np.asarray(row.landmarks, np.float64), ones]) @ cut.to_unit.T
    return Quad.frame(size, size).source_points(unit).astype(np.float32)
