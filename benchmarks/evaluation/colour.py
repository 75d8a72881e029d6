"""Colours of hair and skin, and whether the portrait world has them there.

Age estimators may read an age from a hue (blue hair as old), which the truth never has.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.images.srgb import Pixels
from engine.metrics.regions import Mask, region_masks

REGIONS = ("hair", "skin")
REACH, BIN = 128, 4
"""Half the side of the histogram over CIELAB's a and b, and its bin size."""
KEPT = 0.98
"""Share of the truth's pixels within the range, the most frequent colours first."""
LIMIT = 0.99
"""Quantile, over the truth renders, of the share of pixels outside that is allowed."""

Plane = NDArray[np.float32]


class Tone(NamedTuple):
    """Mean colour of a region: hue in degrees, saturation as CIELAB chroma."""

    hue: float
    saturation: float
    a: float
    b: float


def tone(pixels: Pixels, mask: Mask) -> Tone:
    """The mean colour of (s, s, 3) uint8 RGB under a mask."""
    a, b = colour_plane(pixels, mask).mean(axis=0).tolist()
    return Tone(float(np.degrees(np.arctan2(b, a))) % 360, float(np.hypot(a, b)), a, b)


def colour_plane(pixels: Pixels, mask: Mask) -> Plane:
    """CIELAB a and b, (n, 2), of the pixels under a mask: the hue is their angle."""
    lab = cv2.cvtColor(pixels.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    return np.asarray(lab[mask][:, 1:], np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class ColourRange:
    """The colours of one region in a set of truth renders.

    inside: bool over bins of the plane, those of the highest density that hold `KEPT` of the
    pixels, and their neighbours; limit: the share of a picture's pixels that may lie outside.
    """

    region: str
    inside: Mask
    limit: float

    @classmethod
    def of(cls, region: str, planes: Sequence[Plane]) -> Self:
        """Fit the range to the region's colours (n, 2) in each truth render."""
        counts = np.zeros((2 * REACH // BIN,) * 2, np.float32)
        for plane in planes:
            np.add.at(counts, _bins(plane), 1)
        # Smoothing makes the edge independent of single pixels.
        density = cv2.blur(counts, (3, 3), borderType=cv2.BORDER_CONSTANT)
        order = np.argsort(-density, axis=None)
        cumulated = np.cumsum(counts.ravel()[order])
        enough = int(np.searchsorted(cumulated, KEPT * cumulated[-1])) + 1
        inside = np.zeros(counts.size, bool)
        inside[order[:enough]] = True
        fitted = cls(region, inside.reshape(counts.shape), 0.0)
        shares = [fitted.outside(plane) for plane in planes]
        return cls(region, fitted.inside, float(np.quantile(shares, LIMIT)))

    def outside(self, plane: Plane) -> float:
        """The share of a picture's colours (n, 2) outside the range."""
        return float(1 - self.inside[_bins(plane)].mean())

    def holds(self, plane: Plane) -> bool:
        """Whether a picture's colours (n, 2) are within the range."""
        return self.outside(plane) <= self.limit


def region_planes(pictures: Pixels, points: NDArray[np.floating]) -> dict[str, list[Plane]]:
    """Colours of hair and skin in each of (n, s, s, 3) pictures, by their (n, 68, 2) points."""
    planes: dict[str, list[Plane]] = {region: [] for region in REGIONS}
    for pixels, face in zip(pictures, points, strict=True):
        masks = region_masks(face, pixels.shape[0])
        for region in REGIONS:
            planes[region].append(colour_plane(pixels, masks[region]))
    return planes


def _bins(plane: Plane) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    places = np.clip((plane + REACH) // BIN, 0, 2 * REACH // BIN - 1).astype(np.intp)
    return places[:, 0], places[:, 1]
