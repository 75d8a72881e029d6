"""The same face under another light, softer, noisier, coarser, and cut a little elsewhere.

A change that an age network sees in one picture alone is no ageing: what stays under these is.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.nets.photos.patches import smoothed
from engine.runtime.draws import Draws

GREY = 0.15
"""Share of faces that are seen without colour."""
COLOUR, GAMMA, GAIN = (0.7, 1.25), (0.8, 1.25), (0.85, 1.12)
SOFT, SOFTEST = 0.6, (0.3, 1.4)
"""Share of faces that are blurred, and sigmas in px of the square."""
COARSE, COARSEST = 0.4, (90, 150)
"""Share of faces that are made smaller, and to how many px."""
NOISE = 0.04
TURN, SCALE, SHIFT = 0.12, 0.08, 4.0
"""Largest turn in radians, change of scale, and shift in px of the landmarks."""


class Light(NamedTuple):
    """How each face (b,) is lit: colour, gamma, gain."""

    colour: Tensor
    gamma: Tensor
    gain: Tensor

    @classmethod
    def drawn(cls, draws: Draws, name: str) -> "Light":
        """For every position of the batch."""
        grey = draws.uniform(f"{name}: grey") < GREY
        colour = draws.uniform(f"{name}: colour", low=COLOUR[0], high=COLOUR[1])
        return cls(
            torch.where(grey, torch.zeros_like(colour), colour),
            draws.uniform(f"{name}: gamma", low=GAMMA[0], high=GAMMA[1]),
            draws.uniform(f"{name}: gain", low=GAIN[0], high=GAIN[1]),
        )

    def on(self, picture: Tensor) -> Tensor:
        """The pictures (b, 3, h, w) in [-1, 1] in that light."""
        colour, gamma, gain = (one[:, None, None, None] for one in self)
        levels = (picture + 1) / 2
        grey = levels.mean(1, keepdim=True)
        levels = grey + (levels - grey) * colour
        return (levels.clamp(1e-3, 1) ** gamma * gain).clamp(0, 1) * 2 - 1


class View(NamedTuple):
    """How the networks of the losses see each face: blur sigma or 0, side or 0, noise, landmarks.

    sigma (b,), side (b,), noise (b, 3, s, s), place (b, 4): turn, scale and shift of the landmarks.
    """

    sigma: Tensor
    side: Tensor
    noise: Tensor
    place: Tensor

    @classmethod
    def drawn(cls, draws: Draws, size: int) -> "View":
        """For every position of the batch, of pictures of a size."""
        soft = draws.uniform("soft") < SOFT
        sigma = draws.uniform("sigma", low=SOFTEST[0], high=SOFTEST[1])
        coarse = draws.uniform("coarse") < COARSE
        side = draws.integers("side", *COARSEST)
        noise = draws.normal("noise", 3, size, size)
        strength = draws.uniform("noise strength", high=NOISE)[:, None, None, None]
        bounds = torch.tensor([TURN, SCALE, SHIFT, SHIFT])
        return cls(
            torch.where(soft, sigma, torch.zeros_like(sigma)),
            torch.where(coarse, side, torch.zeros_like(side)),
            noise * strength,
            draws.uniform("place", 4, low=-1.0, high=1.0) * bounds,
        )

    def of(self, picture: Tensor) -> Tensor:
        """The pictures (b, 3, s, s) so."""
        size = picture.shape[-1]
        soft = self.sigma > 0
        blurred = smoothed(picture, self.sigma.clamp(min=SOFTEST[0]))
        picture = torch.where(soft[:, None, None, None], blurred, picture)
        rows = [
            _coarser(one, int(side), size) if side > 0 else one
            for one, side in zip(picture.split(1), self.side.tolist(), strict=True)
        ]
        return (torch.cat(rows) + self.noise).clamp(-1, 1)

    def points(self, points: Tensor) -> Tensor:
        """Landmarks (b, 68, 2) as somebody else would have placed them."""
        turn, scale, shift = self.place[:, 0], 1 + self.place[:, 1], self.place[:, None, 2:]
        cosine, sine = torch.cos(turn) * scale, torch.sin(turn) * scale
        matrix = torch.stack([torch.stack([cosine, -sine], 1), torch.stack([sine, cosine], 1)], 1)
        centre = points.mean(1, keepdim=True)
        return (points - centre) @ matrix.transpose(1, 2) + centre + shift


def warped(picture: Tensor, offsets: Tensor) -> Tensor:
    """Pictures (b, c, s, s), each pixel from offsets (b, 2, h, w) in px of the picture away."""
    size = picture.shape[-1]
    field = F.interpolate(offsets, size, mode="bilinear", align_corners=False) * (2 / size)
    still = torch.eye(2, 3, dtype=picture.dtype, device=picture.device).expand(len(picture), -1, -1)
    grid = F.affine_grid(still, [len(picture), 1, size, size], align_corners=False)
    return F.grid_sample(
        picture, grid + field.permute(0, 2, 3, 1), padding_mode="border", align_corners=False
    )


def _coarser(picture: Tensor, side: int, size: int) -> Tensor:
    small = F.interpolate(picture, side, mode="bilinear", antialias=True, align_corners=False)
    return F.interpolate(small, size, mode="bilinear", align_corners=False)
