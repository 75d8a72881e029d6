"""Sex and cheek lightness in a photograph: they choose the impostors that scale identity."""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from engine.faces.rotation import Pixels
from engine.geometry.landmarks import eyes
from engine.images.lab import to_lab
from engine.images.ranges import to_tensor
from engine.nets.loading import frozen
from engine.nets.photos.age_cc0 import GENDER_SIZE, PADDING, load_gender_cc0
from engine.nets.photos.crops import dlib_chip

GENDER_BY = "gender-cc0"
SEXES = ("female", "male")
CHEEKS = ((1, 31, 0.5), (15, 35, 0.5), (2, 31, 0.4), (14, 35, 0.4))
"""Two points of the 68, and the share of the first, whose mean lies on a cheek."""
PATCH = 0.06
"""Half the side of a patch of cheek, in eye distances."""


class FaceTraits(NamedTuple):
    """Probability of a man, and CIE L* of the cheeks (0..100)."""

    male: float
    lightness: float


class TraitEstimator:
    """The CC0 gender network in the package, and the light of the cheeks."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.net = frozen(load_gender_cc0()).to(device)

    @torch.inference_mode()
    def measure(self, face: Pixels, points: NDArray[np.floating]) -> FaceTraits:
        """The traits of an RGB face (s, s, 3) with its points (68, 2)."""
        where = torch.from_numpy(np.asarray(points, np.float32))[None]
        chip = dlib_chip(where, GENDER_SIZE, PADDING).cut(to_tensor(face))
        return FaceTraits(float(self.net.male(chip.to(self.device))), cheek_lightness(face, points))


def sex_of(male: float) -> str:
    """`male` or `female`, whichever is likelier.

    >>> sex_of(0.5), sex_of(0.2)
    ('male', 'female')
    """
    return SEXES[male >= 0.5]


def cheek_lightness(face: Pixels, points: NDArray[np.floating]) -> float:
    """The median CIE L* of four patches of cheek in an RGB face (h, w, 3) with points (68, 2).

    It depends on the light as well as on the skin.
    """
    light = to_lab(to_tensor(face))[0, 0].numpy()
    ends = light.shape[1] - 1, light.shape[0] - 1
    left, right = eyes(points)
    reach = max(round(PATCH * float(np.hypot(*(right - left)))), 1)
    patches: list[NDArray[np.float32]] = []
    for one, other, share in CHEEKS:
        spot = share * points[one] + (1 - share) * points[other]
        x, y = np.clip(np.round(spot), 0, ends).astype(int).tolist()
        patch = light[max(y - reach, 0) : y + reach + 1, max(x - reach, 0) : x + reach + 1]
        patches.append(patch.ravel())
    return float(np.median(np.concatenate(patches)))
