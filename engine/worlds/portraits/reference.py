"""Six reference renders, stored as thumbnails: by which a change of the renderer shows.

`python -m engine.worlds.portraits.reference` writes the file anew; that calls for a new `VERSION`.
"""

import hashlib
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from engine.worlds.portraits.render import render
from engine.worlds.portraits.scene import scene
from engine.worlds.portraits.traits import identity

FILE = Path(__file__).with_name("reference.npz")
THUMBNAIL = 32
# (person, age, scene): both sexes, all skins, from child to old.
SITTINGS = ((3, 8, 11), (1, 25, 12), (25, 40, 13), (7, 45, 14), (11, 60, 15), (8, 80, 16))
# Processors round differently in the last bit; a change of the world shows far above this.
MEAN_TOLERANCE, LARGEST_TOLERANCE = 1.0, 8.0


class Drift(NamedTuple):
    """How far fresh renders lie from the stored ones, in grey levels."""

    mean: float
    largest: float

    @property
    def tolerable(self) -> bool:
        """Whether the difference is no more than rounding."""
        return self.mean <= MEAN_TOLERANCE and self.largest <= LARGEST_TOLERANCE


def thumbnails() -> np.ndarray:
    """Render the six references afresh, uint8 (6, 32, 32, 3)."""
    shots = [render(identity(person), age, scene(view)) for person, age, view in SITTINGS]
    side = (THUMBNAIL, THUMBNAIL)
    return np.stack(
        [cv2.resize(shot.picture, side, interpolation=cv2.INTER_AREA) for shot in shots]
    )


def stored() -> np.ndarray:
    """The thumbnails in the package, uint8 (6, 32, 32, 3)."""
    with np.load(FILE) as archive:
        return archive["thumbnails"]


def drift() -> Drift:
    """Render the references and compare them with the stored thumbnails."""
    difference = np.abs(thumbnails().astype(float) - stored())
    return Drift(float(difference.mean()), float(difference.max()))


def write() -> None:
    """Store fresh thumbnails in the package."""
    np.savez_compressed(FILE, thumbnails=thumbnails())


def digests(pictures: np.ndarray) -> tuple[str, ...]:
    """SHA-256 of each picture's bytes."""
    return tuple(hashlib.sha256(picture.tobytes()).hexdigest() for picture in pictures)


# Empty only before the file is first written.
REFERENCE_DIGESTS = digests(stored()) if FILE.exists() else ()


if __name__ == "__main__":
    write()
