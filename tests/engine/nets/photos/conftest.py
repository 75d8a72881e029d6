"""Real faces with their points, and weights that follow from their names alone."""

import csv
import math
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from engine.faces.dlib_nets import hog_hits, points_68
from engine.faces.files import POINTS_68, dlib_file
from engine.images.ranges import to_tensor

PORTRAITS = Path(__file__).parents[5] / "shared" / "portraits"


@dataclass(frozen=True, eq=False)
class RealFace:
    """A photograph, the 68 points of its face, and who it shows."""

    pixels: np.ndarray
    landmarks: np.ndarray
    person: str
    age: float

    @property
    def picture(self):
        return to_tensor(self.pixels)

    @property
    def points(self):
        return torch.from_numpy(self.landmarks)[None]


def real_face(file, person, age):
    pixels = np.array(Image.open(file).convert("RGB"))
    hits = hog_hits(pixels, 0.0)
    if not hits:
        return None
    box = max(hits, key=lambda hit: hit.score).box
    return RealFace(pixels, points_68(pixels, box, dlib_file(POINTS_68)), person, age)


@pytest.fixture(scope="session")
def real_faces():
    """Twenty faces: portraits of `test` people, whose large faces dlib finds without enlarging."""
    if not PORTRAITS.is_dir():
        pytest.skip("no shared portraits here")
    with (PORTRAITS / "people.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "test"]
    faces = []
    for row in sorted(rows, key=lambda row: row["path"], reverse=True):
        face = real_face(PORTRAITS / row["path"], row["person"], float(row["age"]))
        faces += [] if face is None else [face]
        if len(faces) == 20:
            return faces
    return faces


@pytest.fixture(scope="session")
def filled():
    """Tensors by name and shape, drawn from their names, in TensorFlow's layout.

    gain: 2 keeps the strength of a signal behind ReLUs, less keeps deep sums from running away.
    """

    def run(shapes, gain=2.0):
        tensors = {}
        for name, shape in shapes.items():
            draw = np.random.RandomState(zlib.crc32(name.encode()) & 0x7FFFFFFF)
            width = math.prod(shape[:-1]) if len(shape) > 1 else 0
            if len(shape) == 4 and shape[3] == 1 and shape[2] > 1:
                width = shape[0] * shape[1]
            scale = (gain / width) ** 0.5 if width else 0.1
            values = draw.standard_normal(shape) * scale
            if name.endswith(("/mul", "scale/weights")):
                values = 1 + values
            tensors[name] = torch.from_numpy(values.astype(np.float32))
        return tensors

    return run


@pytest.fixture(scope="session")
def ramps():
    """A picture (1, 3, s, s) in [-1, 1] of smooth waves, the same wherever it is drawn."""

    def run(size):
        at = np.arange(size) / size
        rows, columns = np.meshgrid(at, at, indexing="ij")
        planes = [np.sin(7 * rows + 3 * k) * np.cos((5 + k) * columns) for k in range(3)]
        return torch.from_numpy(np.stack(planes)[None].astype(np.float32))

    return run
