"""Features of landscapes that need no network: colours, and how much detail of which size.

Distances on them compare runs of this project with one another; they are no published FID.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.core.luma import REC_709

SIDE, BANDS, SCALES = 64, 4, 4
NAME = "statistics-1"
"""Stands beside every figure that was measured on these features."""


def statistics(pictures: Tensor) -> Tensor:
    """Features (b, n), float32, of pictures (b, 3, h, w) in [-1, 1].

    Means, spreads and covariances of the colours in four bands from top to bottom, and the energy
    of luma gradients and of a Laplacian pyramid at four scales, as logarithms.
    """
    unit = (pictures.float() + 1) / 2
    if unit.shape[-1] > SIDE:
        unit = F.interpolate(unit, size=(SIDE, SIDE), mode="bilinear", antialias=True)
    told: list[Tensor] = []
    for band in unit.chunk(BANDS, dim=2):
        flat = band.flatten(2)
        centred = flat - flat.mean(dim=2, keepdim=True)
        shared = centred @ centred.transpose(1, 2) / flat.shape[2]
        one, other = torch.triu_indices(3, 3, 1)
        told += [flat.mean(dim=2), shared.diagonal(dim1=1, dim2=2).clamp_min(1e-8).sqrt()]
        told += [4 * shared[:, one, other]]
    luma = torch.einsum("c,bchw->bhw", unit.new_tensor(REC_709), unit)[:, None]
    for _ in range(SCALES):
        across, down = luma.diff(dim=3), luma.diff(dim=2)
        told += [_energy(across), _energy(down), _energy(across, upper=True)]
        smaller = F.avg_pool2d(luma, 2)
        told += [_energy(luma - F.interpolate(smaller, scale_factor=2, mode="bilinear"))]
        luma = smaller
    return torch.cat(told, dim=1)


def colours(pictures: Tensor) -> Tensor:
    """Seven figures (b, 7) of pictures (b, 3, h, w) in [-1, 1] that a mood shows in.

    Luma, chroma, warmth, luma and chroma of the upper half, spread of the luma, edges.
    """
    unit = (pictures.float() + 1) / 2
    luma = torch.einsum("c,bchw->bhw", unit.new_tensor(REC_709), unit)
    chroma = unit.amax(dim=1) - unit.amin(dim=1)
    warmth = unit[:, 0] - unit[:, 2]
    edges = luma.diff(dim=2).abs().mean(dim=(1, 2)) + luma.diff(dim=1).abs().mean(dim=(1, 2))
    top = slice(0, luma.shape[1] // 2)
    seen = [luma, chroma, warmth, luma[:, top], chroma[:, top]]
    means = [plane.mean(dim=(1, 2)) for plane in seen]
    return torch.stack([*means, luma.std(dim=(1, 2)), edges], dim=1)


def _energy(plane: Tensor, *, upper: bool = False) -> Tensor:
    plane = plane[:, :, : plane.shape[2] // 2] if upper else plane
    return 0.25 * plane.square().mean(dim=(1, 2, 3)).clamp_min(1e-8).log()[:, None]
