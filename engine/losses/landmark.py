"""How far 68 landmarks lie from the true ones, in units of the face they belong to."""

from torch import Tensor

from engine.geometry.landmarks import LEFT_EYE, RIGHT_EYE


def eye_distance(points: Tensor) -> Tensor:
    """Distance between the centres of the two eye contours of (b, 68, 2): (b,)."""
    return (points[:, RIGHT_EYE].mean(dim=1) - points[:, LEFT_EYE].mean(dim=1)).norm(dim=1)


def landmark_l1(points: Tensor, truth: Tensor) -> Tensor:
    """Mean absolute error of both coordinates of (b, 68, 2) in true eye distances: a scalar.

    The absolute and not the squared error: near the truth its slope does not fade, which is what
    the wing loss (Feng et al. 2018) is after as well.
    """
    away = (points - truth).abs().mean(dim=(1, 2))
    return (away / eye_distance(truth)).mean()
