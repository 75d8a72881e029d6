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

from engine.faces.boxes import Box, grown
from engine.faces.fitting import cut, resized
from engine.faces.rotation import Pixels
from engine.geometry.landmarks import FLIP, eyes
from engine.images.ranges import to_tensor
from engine.nets.loading import frozen
from engine.nets.photos.crops import box_crop, mesh_region
from engine.nets.photos.facemesh import SIZE, FaceMesh, load_facemesh

TABLE = "facemesh-points.json"
"""How far each of the 68 points is off the vertices of the mesh; in `engine/shipped`."""
LARGEST = 256
"""Box width in px to which larger faces are shrunk first."""
MARGIN = 1.0
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
    patch, left, top = cut(pixels, grown(box, MARGIN))
    copy = resized(patch, min(LARGEST / max(box[2] - box[0], 1.0), 1.0))
    scales = np.array([copy.shape[1] / patch.shape[1], copy.shape[0] / patch.shape[0]])
    corners = (np.array(box).reshape(2, 2) - [left, top]) * scales
    net, picture = _net(), to_tensor(copy)
    crop = box_crop((*corners[0].tolist(), *corners[1].tolist()), SIZE, rotation // 90)
    crop = mesh_region(crop.points(net(crop.cut(picture)).points[:, :, :2]), SIZE)
    mesh = net(crop.cut(picture))
    points = vertex_points(crop.points(mesh.points[:, :, :2])[0].double().numpy())
    if corrected:
        points = moved(points, _offsets())
    return MeshFit((points + 0.5) / scales - 0.5 + [left, top], float(mesh.flag))


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
    return frozen(load_facemesh())


@cache
def _offsets() -> Points:
    table = json.loads(files("engine.shipped").joinpath(TABLE).read_text(encoding="utf-8"))
    return np.array(table["offsets"], np.float64)
