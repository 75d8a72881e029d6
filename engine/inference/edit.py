"""Edits of codes between inversion and picture: strength, layers, pose, mixing."""

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from engine.core.table import Table

# Layers that carry pose stay, texture layers move little, as the inference script of MyTimeMachine
# edits the 18 layers of a 1024 px generator.
POSE_FREE, POSE_LIGHT, COLOUR = 8, 10, 13
LIGHT_SHARE, COLOUR_CAP = 0.3, 0.4


class Mixing(Table):
    """Taking some layers from another picture, or from a random draw (SAM's style mixing)."""

    reference: str | None = None
    """A photo whose plain inversion is mixed in; without one a draw from `seed` is."""
    seed: int = 0
    layers: tuple[int, ...] = tuple(range(8, 18))
    alpha: float = Field(default=1.0, ge=0, le=1)
    """1 replaces the layers, 0 leaves them."""


class Edit(Table):
    """How far, and on which layers, a picture moves from its inversion to its target."""

    layers: tuple[int, ...] | None = None
    """Style layers that age; all of them if absent."""
    pose: Literal["free", "strict"] = "free"
    """`strict` keeps the coarse layers, and the head's pose with them."""
    mixing: Mixing | None = None
    """What is taken from another picture or a draw; nothing if absent."""


def layer_strengths(count: int, strength: float, edit: Edit) -> Tensor:
    """How far each of `count` layers moves towards the target: (count,), 1 is all of it."""
    shares = torch.full((count,), strength)
    if edit.pose == "strict":
        shares[:POSE_FREE] = 0.0
        shares[POSE_FREE:POSE_LIGHT] *= LIGHT_SHARE
        shares[COLOUR:] = shares[COLOUR:].clamp(max=COLOUR_CAP)
    if edit.layers is not None:
        kept = [layer for layer in range(count) if layer not in edit.layers]
        shares[kept] = 0.0
    return shares


def moved(inverted: Tensor, target: Tensor, shares: Tensor) -> Tensor:
    """`w_inv + s (w_target - w_inv)` layer by layer: w+ (b, n, width), shares (n,).

    A share of 1 gives the target itself, not a sum that rounding has moved away from it.
    """
    s = shares.to(target).view(1, -1, 1)
    return torch.where(s == 1, target, inverted + s * (target - inverted))


def mixed(w_plus: Tensor, other: Tensor, mixing: Mixing) -> Tensor:
    """`w_plus` (b, n, width) with `alpha` of `other` (1, n, width) in the chosen layers."""
    layers = [layer for layer in mixing.layers if layer < w_plus.shape[1]]
    result = w_plus.clone()
    result[:, layers] = torch.lerp(w_plus[:, layers], other[:, layers], mixing.alpha)
    return result
