"""Eight reference renders, stored as thumbnails: the fingerprint of this version of the world.

`python -m engine.worlds.landscapes.reference` writes the file anew; that calls for a new `VERSION`.
"""

import hashlib
from pathlib import Path

import cv2
import numpy as np

from engine.worlds.landscapes.render import render

FILE = Path(__file__).with_name("reference.npz")
THUMBNAIL = 32
# (valence, arousal, seed): the corners and the middle of the plane, every kind of scene.
REFERENCES = ((0.1, 0.1, 102), (0.1, 0.9, 101), (0.9, 0.1, 103), (0.9, 0.9, 100), (0.5, 0.5, 117),
            (0.7, 0.3, 110), (0.3, 0.6, 106), (0.6, 0.8, 109))  # fmt: skip
# Processors round differently in the last bit; a change of the world shows far above this.
MEAN_TOLERANCE, LARGEST_TOLERANCE = 1.0, 10.0


def thumbnails() -> np.ndarray:
    """Render the references afresh, uint8 (8, 32, 32, 3)."""
    pictures = [render(*reference, size=64).picture for reference in REFERENCES]
    side = (THUMBNAIL, THUMBNAIL)
    return np.stack([cv2.resize(shot, side, interpolation=cv2.INTER_AREA) for shot in pictures])


def stored() -> np.ndarray:
    """The thumbnails in the package, uint8 (8, 32, 32, 3)."""
    with np.load(FILE) as archive:
        return archive["thumbnails"]


def drift() -> tuple[float, float]:
    """Mean and largest difference of fresh references from the stored ones, in grey levels."""
    difference = np.abs(thumbnails().astype(float) - stored())
    return float(difference.mean()), float(difference.max())


def write() -> None:
    """Store fresh thumbnails in the package."""
    np.savez_compressed(FILE, thumbnails=thumbnails())


# Empty only before the file is first written.
REFERENCE_DIGESTS = (
    tuple(hashlib.sha256(picture.tobytes()).hexdigest() for picture in stored())
    if FILE.exists()
    else ()
)


if __name__ == "__main__":
    write()
