"""The crops on which the networks for photographs were trained, cut differentiably.

Pictures are (b, 3, h, w) in [-1, 1], points (b, 68, 2) in their pixels, the middle of a pixel
being a whole number, as dlib has it. A `Crop` says where the pixels of a crop lie in its picture.
"""

from dataclasses import dataclass
from math import floor, pi

import torch
import torch.nn.functional as F
from torch import Tensor

BINOMIAL = (1.0, 4.0, 6.0, 4.0, 1.0)
"""The filter of dlib's pyramid, in rows and in columns."""
HALF_SHIFT = (1.25, 0.75)
"""What dlib takes off a halved coordinate: a quarter pixel more, and less, than its filter does."""
LEFT_EYE, RIGHT_EYE, CHIN = slice(36, 42), slice(42, 48), 8
BROWS = slice(17, 27)
FOREHEAD = 0.35
"""Height of the forehead above the brows, in brow-to-chin heights."""
FACE_API_BOX = 1.2
"""Side of face-api's crop in brow-to-chin heights, chosen on 825 portraits of `train` people.

Errors at 1.0, 1.1, 1.2 and 1.3: 6.0, 5.8, 5.6 and 5.9 years; dlib's own box is about 1.0.
"""
MESH_BOX = 1.5
"""Side of MediaPipe's region in sides of the box around all 468 points."""
MESH_LEFT_EYE, MESH_RIGHT_EYE = 33, 263
"""Of the 468 points the outer corners of the eyes."""
BOX_SIDE, BOX_RISE = 1.857, 0.053
"""MediaPipe's region in widths of dlib's HOG box: its side, and how far its middle lies above that
of the box; medians of the 517 `train` portraits of 2015."""

ALIGNING = (*range(27, 55), *range(60, 65))
"""Of the 68 points those that dlib aligns by: nose, eyes, upper lip; no brows, no lower lip."""
# Where they are on dlib's mean face, whose width and height are about 1
# (dlib, `image_transforms/interpolation.h`, `mean_face_shape_x` and `_y`).
MEAN_X = (
    0.490127, 0.490127, 0.490127, 0.490127, 0.36688, 0.426036, 0.490127, 0.554217, 0.613373,
    0.121737, 0.187122, 0.265825, 0.334606, 0.260918, 0.182743,
    0.645647, 0.714428, 0.793132, 0.858516, 0.79751, 0.719335,
    0.254149, 0.340985, 0.428858, 0.490127, 0.551395, 0.639268, 0.726104,
    0.290379, 0.428096, 0.490127, 0.552157, 0.689874,
)  # fmt: skip
MEAN_Y = (
    0.203352, 0.307009, 0.409805, 0.515625, 0.587326, 0.609345, 0.628106, 0.609345, 0.587326,
    0.216423, 0.178758, 0.179852, 0.231733, 0.245099, 0.244077,
    0.231733, 0.179852, 0.178758, 0.216423, 0.244077, 0.245099,
    0.780233, 0.745405, 0.727388, 0.742578, 0.727388, 0.745405, 0.780233,
    0.784792, 0.778746, 0.785343, 0.778746, 0.784792,
)  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Crop:
    """A turned square in each picture of a batch.

    matrix: (b, 2, 3), from a crop pixel (x, y, 1) to a picture pixel; size: of the crop in px.
    Outside the picture it is black.
    """

    matrix: Tensor
    size: int

    def points(self, inside: Tensor) -> Tensor:
        """Points (b, n, 2) in crop pixels to picture pixels."""
        return inside @ self.matrix[:, :, :2].transpose(1, 2) + self.matrix[:, :, 2][:, None]

    def cut(self, picture: Tensor) -> Tensor:
        """The crops (b, 3, size, size) in the values of the picture.

        A face more than twice as large as its crop is halved first, as often as dlib does and by
        the filter of dlib's pyramid; then sampling is bilinear.
        """
        sides = (self.size * self.matrix[:, :, 0].detach().norm(dim=1)).tolist()
        halvings = [_halvings(side, self.size) for side in sides]
        light = picture + 1  # so that the zeros outside are black
        if not any(halvings):
            return _sampled(light, self.matrix, self.size) - 1
        parts = zip(light.split(1), self.matrix.split(1), halvings, strict=True)
        return torch.cat([self._cut(one, matrix, count) for one, matrix, count in parts]) - 1

    def _cut(self, light: Tensor, matrix: Tensor, halvings: int) -> Tensor:
        """One crop from the region around it alone, halved so many times."""
        left, top, right, bottom = self._region(matrix, halvings, light.shape[3], light.shape[2])
        light = light[:, :, top:bottom, left:right]
        linear, shift = matrix[:, :, :2], matrix[:, :, 2:]
        shift = shift - shift.new_tensor([[left], [top]])
        for _ in range(halvings):
            light, linear = _halved(light), linear / 2
            shift = shift / 2 - shift.new_tensor(HALF_SHIFT)[:, None]
        return _sampled(light, torch.cat([linear, shift], 2), self.size)

    def _region(
        self, matrix: Tensor, halvings: int, width: int, height: int
    ) -> tuple[int, int, int, int]:
        """Left, top, right and bottom of what dlib cuts out before it halves."""
        last = self.size - 1.0
        corners = matrix.new_tensor([[[0, 0], [last, 0], [0, last], [last, last]]])
        places = Crop(matrix, self.size).points(corners).detach()[0]
        margin = 4 * 2**halvings - 2
        low, high = (places.amin(0) - margin).tolist(), (places.amax(0) + margin).tolist()
        # A crop wholly outside keeps one pixel, so that there is something to filter.
        left, top = (
            min(max(floor(edge + 0.5), 0), side - 1)
            for edge, side in zip(low, (width, height), strict=True)
        )
        right, bottom = floor(high[0] + 0.5) + 1, floor(high[1] + 0.5) + 1
        return left, top, max(left + 1, min(right, width)), max(top + 1, min(bottom, height))


def _sampled(light: Tensor, matrix: Tensor, size: int) -> Tensor:
    """Pictures sampled bilinearly at the crop pixels of `matrix`; zero outside."""
    steps = torch.arange(size, dtype=matrix.dtype, device=matrix.device)
    rows, columns = torch.meshgrid(steps, steps, indexing="ij")
    inside = torch.stack([columns, rows], 2).view(1, -1, 2).expand(len(matrix), -1, 2)
    places = Crop(matrix, size).points(inside)
    height, width = light.shape[2:]
    grid = ((2 * places + 1) / places.new_tensor([width, height]) - 1).to(light.dtype)
    return F.grid_sample(
        light, grid.view(len(grid), size, size, 2), mode="bilinear", align_corners=False
    )


def _halvings(side: float, size: int) -> int:
    """How often dlib halves a picture whose region has `side` px for a crop of `size`."""
    count = 0
    while (side := (side + 1) / 2) > size:
        count += 1
    return count


def _halved(light: Tensor) -> Tensor:
    """Pictures (b, 3, h, w) at half the size, by the 5 x 5 binomial filter.

    As sums, not as a convolution: each region has a size of its own, for which oneDNN would build
    a kernel that costs ten times the arithmetic.
    """
    short = [max(0, 5 - side) for side in (light.shape[3], light.shape[2])]
    if any(short):
        light = F.pad(light, (0, short[0], 0, short[1]))
    return _halved_along(_halved_along(light, 2), 3) / sum(BINOMIAL) ** 2


def _halved_along(light: Tensor, axis: int) -> Tensor:
    """Every second sum of five neighbours along an axis, weighted by `BINOMIAL`."""
    outer, inner, middle, _, _ = BINOMIAL
    taps = light.unfold(axis, 5, 2).unbind(-1)
    total = (taps[0] + taps[4]).mul_(outer)
    return total.add_(taps[1] + taps[3], alpha=inner).add_(taps[2], alpha=middle)


def dlib_chip(points: Tensor, size: int, padding: float) -> Crop:
    """dlib's face chip: nose, eyes and upper lip fitted to its mean face by a similarity.

    padding: margin on every side in widths of the mean face. The descriptor wants 150 px and .25,
    the CC0 age network 64 px and .2, its gender network 32 px and .2, FaceRes 224 px and .35.
    """
    mean = torch.tensor([MEAN_X, MEAN_Y], dtype=points.dtype, device=points.device).t()
    inside = (mean + padding) / (1 + 2 * padding) * size
    scale, turn, centre = _similarity(inside, points[:, list(ALIGNING)], size / 2)
    # dlib's rectangle runs from the middle of its first pixel to the middle of its last.
    return _square(centre, turn, (size * scale - 1) / (size - 1), size)


def face_api_crop(points: Tensor, size: int, box: float = FACE_API_BOX) -> Crop:
    """face-api's upright square; box: its side in heights between brows and chin."""
    left, right = points[:, :, 0].amin(1), points[:, :, 0].amax(1)
    top, bottom = points[:, BROWS, 1].amin(1), points[:, CHIN, 1]
    centre = torch.stack([left + right, top + bottom], 1) / 2
    side = (bottom - top) * box
    return _square(centre, torch.zeros_like(side), side / size, size)


def mesh_crop(points: Tensor, size: int) -> Crop:
    """MediaPipe's region: turned until the eyes are level, 1.5 times the box around the face.

    The 68 points end at the brows, the mesh at the hairline: a forehead is added.
    """
    eyes = points[:, RIGHT_EYE].mean(1) - points[:, LEFT_EYE].mean(1)
    turn = torch.atan2(eyes[:, 1], eyes[:, 0])
    upright = _turned(points, -turn)
    low, high = upright.amin(1), upright.amax(1)
    top = upright[:, BROWS, 1].amin(1)
    low = torch.stack([low[:, 0], top - FOREHEAD * (high[:, 1] - top)], 1)
    side = (high - low).amax(1) * MESH_BOX
    centre = _turned(((low + high) / 2)[:, None], turn)[:, 0]
    return _square(centre, turn, side / size, size)


def box_crop(box: tuple[float, float, float, float], size: int, quarter_turns: int = 0) -> Crop:
    """Where `mesh_region` most likely lies for a box of dlib's HOG detector (l, t, r, b).

    quarter_turns: how often the picture is turned clockwise until the face is upright.
    """
    left, top, right, bottom = box
    width = right - left
    turn = torch.tensor([-quarter_turns * pi / 2])
    up = torch.stack([torch.sin(turn), -torch.cos(turn)], 1)
    middle = torch.tensor([[(left + right) / 2 - 0.5, (top + bottom) / 2 - 0.5]])
    scale = torch.tensor([BOX_SIDE * width / size])
    return _square(middle + BOX_RISE * width * up, turn, scale, size)


def mesh_region(mesh: Tensor, size: int) -> Crop:
    """MediaPipe's region by the points (b, 468, 2) of an earlier pass."""
    eyes = mesh[:, MESH_RIGHT_EYE] - mesh[:, MESH_LEFT_EYE]
    turn = torch.atan2(eyes[:, 1], eyes[:, 0])
    upright = _turned(mesh, -turn)
    low, high = upright.amin(1), upright.amax(1)
    centre = _turned(((low + high) / 2)[:, None], turn)[:, 0]
    return _square(centre, turn, (high - low).amax(1) * MESH_BOX / size, size)


def whole(picture: Tensor, size: int) -> Tensor:
    """The whole pictures squeezed to (b, 3, size, size), as the person mask wants them."""
    return F.interpolate(
        picture, (size, size), mode="bilinear", align_corners=False, antialias=True
    )


def _similarity(inside: Tensor, points: Tensor, middle: float) -> tuple[Tensor, Tensor, Tensor]:
    """Scale, turn and where the middle of the crop goes, of the best map from crop to picture.

    Least squares in closed form: in the plane a similarity is one complex factor.
    """
    origin, target = inside.mean(0), points.mean(1)
    away, wanted = inside - origin, points - target[:, None]
    norm = away.square().sum()
    real = (away * wanted).sum((1, 2)) / norm
    imaginary = (away[:, 0] * wanted[:, :, 1] - away[:, 1] * wanted[:, :, 0]).sum(1) / norm
    scale, turn = torch.hypot(real, imaginary), torch.atan2(imaginary, real)
    offset = (middle - origin).expand(len(points), 1, 2)
    return scale, turn, target + scale[:, None] * _turned(offset, turn)[:, 0]


def _square(centre: Tensor, turn: Tensor, scale: Tensor, size: int) -> Crop:
    """The crop of that centre, turned by radians, with `scale` picture pixels a crop pixel."""
    cosine, sine = torch.cos(turn) * scale, torch.sin(turn) * scale
    linear = torch.stack([torch.stack([cosine, -sine], 1), torch.stack([sine, cosine], 1)], 1)
    shift = centre - linear.sum(2) * ((size - 1) / 2)
    return Crop(torch.cat([linear, shift[:, :, None]], 2), size)


def _turned(points: Tensor, turn: Tensor) -> Tensor:
    """Points (b, n, 2) turned about the origin."""
    cosine, sine = torch.cos(turn)[:, None], torch.sin(turn)[:, None]
    x, y = points[..., 0], points[..., 1]
    return torch.stack([x * cosine - y * sine, x * sine + y * cosine], 2)
