"""Landmark error in units of the eye distance."""

from torch import Tensor

from engine.geometry.landmarks import LEFT_EYE, RIGHT_EYE


def eye_distance(points: Tensor) -> Tensor:
    """Distance between the centres of the two eye contours of (b, 68, 2): (b,)."""
    return (points[:, RIGHT_EYE].mean(dim=1) - points[:, LEFT_EYE].mean(dim=1)).norm(dim=1)


def landmark_l1(points: Tensor, truth: Tensor) -> Tensor:
    """Mean absolute error of both coordinates of (b, 68, 2) in true eye distances: a scalar.

    Absolute, not squared: its gradient does not vanish near the truth, which is the aim of the wing
    loss (Feng et al. 2018) too.
    """
    error = (points - truth).abs().mean(dim=(1, 2))
    return (error / eye_distance(truth)).mean()
