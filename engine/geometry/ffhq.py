"""The square that FFHQ crops around a face (Karras et al. 2019, `recreate_aligned_images`)."""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from engine.geometry.landmarks import Points, eyes, mouth_centre

EYE_SCALE, MOUTH_SCALE, CENTRE_DROP = 2.0, 1.8, 0.1

Matrix = NDArray[np.float64]


class Difference(NamedTuple):
    """How one quad departs from another: shares of the other's side, and degrees."""

    centre: float
    side: float
    angle: float


@dataclass(frozen=True, eq=False)
class Quad:
    """A parallelogram in a picture whose pixel centres lie on whole numbers.

    corners: (4, 2) as x, y in the order top-left, bottom-left, bottom-right, top-right.
    """

    corners: Matrix

    def __post_init__(self) -> None:
        corners = np.array(self.corners, dtype=np.float64)
        if corners.shape != (4, 2) or not np.isfinite(corners).all():
            raise ValueError(f"a quad needs 4 finite x, y corners, got an array {corners.shape}")
        corners.setflags(write=False)
        object.__setattr__(self, "corners", corners)

    @classmethod
    def of(cls, corners: ArrayLike) -> Self:
        """A quad of (4, 2) corners; ValueError for anything else."""
        return cls(np.asarray(corners, dtype=np.float64))

    @classmethod
    def frame(cls, width: int, height: int) -> Self:
        """Span a whole picture from the outer edges of its border pixels."""
        right, bottom = width - 0.5, height - 0.5
        return cls.of([[-0.5, -0.5], [-0.5, bottom], [right, bottom], [right, -0.5]])

    @property
    def across(self) -> Matrix:
        """The top edge as a vector (x, y)."""
        return self.corners[3] - self.corners[0]

    @property
    def down(self) -> Matrix:
        """The left edge as a vector (x, y)."""
        return self.corners[1] - self.corners[0]

    @cached_property
    def centre(self) -> Matrix:
        return self.corners.mean(axis=0)

    @cached_property
    def side(self) -> float:
        return float(np.hypot(*self.across))

    @cached_property
    def angle(self) -> float:
        """Rotation of the top edge in degrees, clockwise on the screen."""
        return float(np.degrees(np.arctan2(self.across[1], self.across[0])))

    @cached_property
    def to_source(self) -> Matrix:
        """The (2, 3) affine map from the unit square (u right, v down) to source pixels."""
        return np.column_stack([self.across, self.down, self.corners[0]])

    @cached_property
    def to_unit(self) -> Matrix:
        """The (2, 3) affine map from source pixels to the unit square."""
        inverse = np.linalg.inv(self.to_source[:, :2]).astype(np.float64)
        return np.column_stack([inverse, -inverse @ self.corners[0]])

    def source_points(self, unit: ArrayLike) -> Matrix:
        """Place (n, 2) points of the unit square in the source."""
        return np.asarray(unit, dtype=np.float64) @ self.to_source[:, :2].T + self.to_source[:, 2]

    def unit_points(self, source: ArrayLike) -> Matrix:
        """Express (n, 2) source points in the unit square."""
        return np.asarray(source, dtype=np.float64) @ self.to_unit[:, :2].T + self.to_unit[:, 2]

    def scaled(self, factor: float) -> Self:
        """Follow a picture that was resized by `factor`, pixel edges kept on edges."""
        return type(self)((self.corners + 0.5) * factor - 0.5)

    def moved(self, x: float, y: float) -> Self:
        """Shift by x and y pixels."""
        return type(self)(self.corners + np.array([x, y]))

    def against(self, other: "Quad") -> Difference:
        """Compare with a reference: centre offset, side ratio minus one, angle difference."""
        offset = float(np.hypot(*(self.centre - other.centre))) / other.side
        rotation = (self.angle - other.angle + 180) % 360 - 180
        return Difference(offset, self.side / other.side - 1, rotation)


def quad_of(points: Points) -> Quad:
    """Build FFHQ's quad from (68, 2) points, exactly as published."""
    left, right = eyes(points)
    eye_to_eye = right - left
    eye_middle = (left + right) / 2
    eye_to_mouth = mouth_centre(points) - eye_middle
    x = eye_to_eye - np.flipud(eye_to_mouth) * [-1, 1]
    length = np.hypot(*x)
    if length == 0:
        raise ValueError("the points fall together: no direction can be read from them")
    x = x / length
    x = x * max(np.hypot(*eye_to_eye) * EYE_SCALE, np.hypot(*eye_to_mouth) * MOUTH_SCALE)
    y = np.flipud(x) * [-1, 1]
    centre = eye_middle + eye_to_mouth * CENTRE_DROP
    return Quad.of([centre - x - y, centre - x + y, centre + x + y, centre + x - y])


def is_aligned(
    points: Points, size: int, *, centre: float = 0.04, side: float = 0.08, angle: float = 4.0
) -> bool:
    """Whether a square picture is aligned as in FFHQ, within tolerances.

    The quad of the points must be the frame of the picture. centre and side are shares of the
    side, angle is in degrees.
    """
    difference = quad_of(points).against(Quad.frame(size, size))
    return (
        difference.centre <= centre
        and abs(difference.side) <= side
        and abs(difference.angle) <= angle
    )
