"""The face in a detector's box by MediaPipe's face mesh: its 68 points, and whether it is a face.

The mesh is fitted twice: in a square about the box, then in the region of the points it placed
there, turned upright, as MediaPipe tracks faces (Kartynnik et al. 2019, arXiv:1907.06724). It needs
no file of dlib's, and so none that is for research only.
"""

import json
from functools import cache
from importlib.resources import files
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.faces.boxes import Box, grown
from engine.faces.fitting import cut, resized
from engine.faces.rotation import Pixels
from engine.geometry.landmarks import FLIP, eyes
from engine.images.ranges import to_tensor
from engine.nets.loading import channels_last, frozen
from engine.nets.photos.crops import Crop, box_crop, mesh_region
from engine.nets.photos.facemesh import SIZE, FaceMesh, Mesh, load_facemesh

TABLE = "facemesh-points.json"
"""How far each of the 68 points is off the vertices of the mesh; in `engine/shipped`."""
LARGEST = 256
"""Box width in px to which larger faces are shrunk first."""
MARGIN = 1.0
SURE = 0.9
"""Flag of the first fit from which the second one is not asked."""
LEFT_HALF: dict[int, tuple[int, ...]] = {
    0: (127,), 1: (234,), 2: (93,), 3: (132, 58), 4: (58, 172), 5: (136,), 6: (150,), 7: (176,),
    17: (70,), 18: (63,), 19: (105,), 20: (66,), 21: (107,),
    31: (75,), 32: (97,),
    36: (33,), 37: (160,), 38: (158,), 39: (133,), 40: (153,), 41: (144,),
    48: (61,), 49: (39,), 50: (37,), 58: (84,), 59: (91,), 60: (78,), 61: (82,), 67: (87,),
}  # fmt: skip
"""The vertices, one or the mean of two, at which the points left of the middle lie."""
RIGHT_HALF: dict[int, tuple[int, ...]] = {
    16: (356,), 15: (454,), 14: (323,), 13: (361, 288), 12: (288, 397), 11: (365,), 10: (379,),
    9: (400,), 26: (300,), 25: (293,), 24: (334,), 23: (296,), 22: (336,),
    35: (305,), 34: (326,),
    45: (263,), 44: (387,), 43: (385,), 42: (362,), 47: (380,), 46: (373,),
    54: (291,), 53: (269,), 52: (267,), 56: (314,), 55: (321,), 64: (308,), 63: (312,), 65: (317,),
}  # fmt: skip
MIDDLE: dict[int, tuple[int, ...]] = {
    8: (152,), 27: (168, 6), 28: (197, 195), 29: (5,), 30: (4,), 33: (2,), 51: (0,), 57: (17,),
    62: (13,), 66: (14,),
}  # fmt: skip
VERTICES = [value for _, value in sorted({**LEFT_HALF, **RIGHT_HALF, **MIDDLE}.items())]

Points = NDArray[np.float64]


class MeshFit(NamedTuple):
    """Points (68, 2) in the pixels of the picture, and the probability of a face."""

    points: Points
    flag: float


@torch.inference_mode()
def fit_mesh(pixels: Pixels, box: Box, *, rotation: int = 0, corrected: bool = True) -> MeshFit:
    """Fit the mesh to what is in `box` of an RGB picture (h, w, 3).

    rotation: the clockwise quarter rotation, in degrees, that puts the face upright; corrected:
    move the vertices by what dlib's points differ.
    """
    place = _Place.around(pixels, box)
    crop = _tracked(_first_fit(place, rotation))
    mesh = _net()(crop.cut(place.picture))
    points = vertex_points(crop.points(mesh.points[:, :, :2])[0].double().numpy())
    if corrected:
        points = moved(points, _offsets())
    return MeshFit((points + 0.5) / place.scales - 0.5 + place.corner, float(mesh.flag))


@torch.inference_mode()
def face_flag(pixels: Pixels, box: Box, *, rotation: int = 0) -> float:
    """The flag of `fit_mesh`; of the first fit alone where that is sure of a face."""
    place = _Place.around(pixels, box)
    first = _first_fit(place, rotation)
    if first.mesh.flag >= SURE:
        return float(first.mesh.flag)
    return float(_net()(_tracked(first).cut(place.picture)).flag)


class _Place(NamedTuple):
    """What lies around a box, (1, 3, h, w), with the box in it, its scale and its corner."""

    picture: Tensor
    box: Points
    scales: Points
    corner: Points

    @classmethod
    def around(cls, pixels: Pixels, box: Box) -> "_Place":
        patch, left, top = cut(pixels, grown(box, MARGIN))
        copy = resized(patch, min(LARGEST / max(box[2] - box[0], 1.0), 1.0))
        scales = np.array([copy.shape[1] / patch.shape[1], copy.shape[0] / patch.shape[0]])
        corner = np.array([left, top], np.float64)
        return cls(to_tensor(copy), (np.reshape(box, (2, 2)) - corner) * scales, scales, corner)


class _FirstFit(NamedTuple):
    crop: Crop
    mesh: Mesh


def _first_fit(place: _Place, rotation: int) -> _FirstFit:
    (left, top), (right, bottom) = place.box.tolist()
    crop = box_crop((left, top, right, bottom), SIZE, rotation // 90)
    return _FirstFit(crop, _net()(crop.cut(place.picture)))


def _tracked(first: _FirstFit) -> Crop:
    return mesh_region(first.crop.points(first.mesh.points[:, :, :2]), SIZE)


def vertex_points(mesh: NDArray[np.floating]) -> Points:
    """The vertices (68, 2) of a mesh (468, 2) that lie nearest to the 68 points."""
    return np.stack([mesh[list(vertices)].mean(axis=0) for vertices in VERTICES])


def moved(points: Points, offsets: Points) -> Points:
    """Points (68, 2) moved by offsets along the eye line and across it, in eye distances."""
    pair = eyes(points)
    across = pair.right - pair.left
    axes = np.array([across, [-across[1], across[0]]])
    return points + offsets @ axes


def fitted_offsets(vertices: Points, points: Points) -> Points:
    """The offsets (68, 2) of `moved`, the same left and right, that best make points of vertices.

    Both (n, 68, 2), of n faces. Means over the faces, as FFHQ's square uses sums of points.
    """
    differences = []
    for own, wanted in zip(vertices, points, strict=True):
        pair = eyes(own)
        across = pair.right - pair.left
        axes = np.array([across, [-across[1], across[0]]])
        differences.append((wanted - own) @ np.linalg.inv(axes))
    mean = np.mean(differences, axis=0)
    return (mean + mean[FLIP] * [-1, 1]) / 2


@cache
def _net() -> FaceMesh:
    return channels_last(frozen(load_facemesh()))


@cache
def _offsets() -> Points:
    table = json.loads(files("engine.shipped").joinpath(TABLE).read_text(encoding="utf-8"))
    return np.array(table["offsets"], np.float64)
