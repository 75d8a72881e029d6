"""Colours of hair and skin, and whether they are colours that the world has there.

Age estimators may take a hue for an age (blue hair for old); the truth renders do not.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.metrics.regions import Mask, region_masks

REGIONS = ("hair", "skin")
REACH, BIN = 128, 4
"""The plane of CIELAB's a and b that is counted, and its bins, in units of a just visible step."""
KEPT = 0.98
"""Share of the truth's pixels that the world's range holds, the commonest colours first."""
LIMIT = 0.99
"""A picture is within the range if no more of it lies outside than of this share of truths."""

Pixels = NDArray[np.uint8]
Plane = NDArray[np.float32]


class Tone(NamedTuple):
    """Mean colour of a region: hue in degrees, saturation as CIELAB chroma."""

    hue: float
    saturation: float
    a: float
    b: float


def tone(pixels: Pixels, mask: Mask) -> Tone:
    """Average the colour of (s, s, 3) uint8 RGB under a mask."""
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
        """Learn the range from the region's colours (n, 2) in each truth render."""
        counts = np.zeros((2 * REACH // BIN,) * 2, np.float32)
        for plane in planes:
            np.add.at(counts, _bins(plane), 1)
        # Neighbouring bins vouch for each other, so that the edge is no matter of luck.
        density = cv2.blur(counts, (3, 3), borderType=cv2.BORDER_CONSTANT)
        order = np.argsort(-density, axis=None)
        cumulated = np.cumsum(counts.ravel()[order])
        enough = int(np.searchsorted(cumulated, KEPT * cumulated[-1])) + 1
        inside = np.zeros(counts.size, bool)
        inside[order[:enough]] = True
        found = cls(region, inside.reshape(counts.shape), 0.0)
        shares = [found.outside(plane) for plane in planes]
        return cls(region, found.inside, float(np.quantile(shares, LIMIT)))

    def outside(self, plane: Plane) -> float:
        """Tell the share of a picture's colours (n, 2) that lie outside."""
        return float(1 - self.inside[_bins(plane)].mean())

    def holds(self, plane: Plane) -> bool:
        """Whether a picture's colours (n, 2) are those of the world."""
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
