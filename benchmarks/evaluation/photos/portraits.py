"""Portraits of people of known age: read, with their faces and masks, and kept between runs."""

import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.core.atomic import write_bytes
from engine.core.digest import file_sha256
from engine.faces.detect import Face, FaceFinder
from engine.images.reading import read_picture
from engine.inference.photo_method import person_mask
from engine.nets.loading import frozen
from engine.nets.photos.selfie import load_selfie

TABLE = "people.csv"
FITTED, LATER = "2015", "2023"
"""The edition that what ships is fitted on, and the one that shows some of its people later."""
MOST_MEGAPIXELS = 50
Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class Portrait:
    """A dated portrait (h, w, 3), its face, and a mask (h, w) in 0..1 of the person.

    error: years by which the age may be wrong; split: `train` or `test`, by person; key: the digest
    of its file.
    """

    edition: str
    person: str
    sex: str
    age: float
    error: float
    split: str
    key: str
    pixels: NDArray[np.uint8]
    face: Face
    mask: NDArray[np.float32]


class Cache:
    """Arrays that are dear to compute, a file for each key; without a folder nothing is kept."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)

    def get(self, key: str, make: Callable[[], Arrays]) -> Arrays:
        """The arrays of a key, made if no earlier run did."""
        if self.folder is None:
            return make()
        path = self.folder / f"{key}.npz"
        if not path.is_file():
            buffer = BytesIO()
            np.savez_compressed(buffer, **make())
            write_bytes(path, buffer.getvalue())
        with np.load(path, allow_pickle=False) as file:
            return dict(file)


def read_portraits(folder: Path, cache: Cache, editions: Sequence[str]) -> list[Portrait]:
    """Every portrait of the editions in which a face is found, in the order of the table."""
    return list(_portraits(folder, cache, editions))


def _portraits(folder: Path, cache: Cache, editions: Sequence[str]) -> Iterator[Portrait]:
    finder, net = FaceFinder(), frozen(load_selfie())
    with (folder / TABLE).open(encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file))
    for row in table:
        edition = row["path"].split("/")[0]
        if edition not in editions:
            continue
        path = folder / row["path"]
        pixels = read_picture(path, max_megapixels=MOST_MEGAPIXELS).pixels
        key = file_sha256(path)[:16]

        def make(pixels: NDArray[np.uint8] = pixels) -> Arrays:
            faces = finder.find(pixels, every=False)
            if not faces:
                return {}
            mask = person_mask(net, pixels, faces[0].box)
            face = {f.name: np.array(getattr(faces[0], f.name)) for f in fields(Face)}
            return {**face, "mask": np.rint(mask * 255).astype(np.uint8)}

        found = cache.get(f"face_{key}", make)
        if found:
            yield Portrait(
                edition,
                row["person"],
                row["sex"],
                float(row["age"]),
                float(row["age_error"]),
                row["split"],
                key,
                pixels,
                _face(found),
                found["mask"].astype(np.float32) / 255,
            )


def _face(arrays: Arrays) -> Face:
    left, top, right, bottom = arrays["box"].tolist()
    return Face(
        (left, top, right, bottom),
        float(arrays["score"]),
        arrays["landmarks"],
        str(arrays["detector"]),
        int(arrays["rotation"]),
        bool(arrays["profile"]),
        float(arrays["yaw"]),
    )
