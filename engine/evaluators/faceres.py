"""FaceRes, which the user fetches by npm, as evaluator: features, and a perceptual distance."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from engine.core.errors import MissingWeightsError
from engine.faces.descriptor import aligned_box
from engine.faces.fitting import fit_points
from engine.faces.rotation import Pixels
from engine.images.ranges import to_pixels, to_tensor
from engine.nets.loading import frozen
from engine.nets.perceptual.features import feature_distance
from engine.nets.photos.crops import Crop, dlib_chip
from engine.nets.photos.faceres import NAME, PADDING, SIZE, FaceRes, load_faceres
from engine.nets.photos.layers import levels

DEPTHS = (1, 3, 5, 11, 13)
"""Blocks whose maps are compared: the last one of each resolution."""


class FaceResFeatures:
    """Features (1024,) of the whole face, and the distance of the maps of five depths.

    Both see dlib's face chip. `name` is that of the perceptual distance.
    """

    name = f"features of {NAME}"

    def __init__(self, net: FaceRes, device: torch.device) -> None:
        self.net, self.device = frozen(net).to(device), device

    @classmethod
    def load(cls, device: torch.device) -> "FaceResFeatures | None":
        """The network, None where its weights are not here; WeightsError if they are damaged."""
        try:
            return cls(load_faceres(), device)
        except MissingWeightsError:
            return None

    @torch.inference_mode()
    def features(self, faces: Sequence[Pixels], points: Sequence[NDArray[np.floating]]) -> Tensor:
        """Features (n, 1024) of RGB faces (s, s, 3) with points (68, 2) each."""
        chips = [_place(own).cut(to_tensor(face)) for face, own in zip(faces, points, strict=True)]
        return torch.cat([self.net.features(chip.to(self.device)) for chip in chips])

    def __call__(self, one: Tensor, other: Tensor) -> Tensor:
        """The distance (b,) of aligned faces (b, 3, s, s) in [-1, 1], both cut as the second is."""
        places = [_place(_fitted(face[None])) for face in other]
        distances = [
            feature_distance(*(self._maps(place.cut(side[at : at + 1])) for side in (one, other)))
            for at, place in enumerate(places)
        ]
        return torch.cat(distances)

    def _maps(self, chip: Tensor) -> list[Tensor]:
        maps: list[Tensor] = []
        x = F.relu6(self.net.stem(levels(chip.to(self.device))))
        for number, block in enumerate(self.net.blocks, 1):
            x = block(x)
            if number in DEPTHS:
                maps.append(x)
        return maps


def _fitted(face: Tensor) -> NDArray[np.floating]:
    pixels = to_pixels(face)
    return fit_points(pixels, aligned_box(len(pixels)))


def _place(points: NDArray[np.floating]) -> Crop:
    return dlib_chip(torch.from_numpy(np.asarray(points, np.float32))[None], SIZE, PADDING)
