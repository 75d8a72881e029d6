"""Features of landscapes without a network: colour statistics and energy of detail by scale.

Distances on them compare runs of this project with each other; they are not a published FID.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.core.luma import REC_709

SIDE, BANDS, SCALES = 64, 4, 4
NAME = "statistics-1"
"""Version of the features; reports state it."""


def statistics(pictures: Tensor) -> Tensor:
    """Features (b, n), float32, of pictures (b, 3, h, w) in [-1, 1].

    Means, standard deviations and covariances of the colours in four bands from top to bottom, and
    log energies of luma gradients and of a Laplacian pyramid at four scales.
    """
    unit = (pictures.float() + 1) / 2
    if unit.shape[-1] > SIDE:
        unit = F.interpolate(unit, size=(SIDE, SIDE), mode="bilinear", antialias=True)
    features: list[Tensor] = []
    for band in unit.chunk(BANDS, dim=2):
        flat = band.flatten(2)
        centred = flat - flat.mean(dim=2, keepdim=True)
        covariance = centred @ centred.transpose(1, 2) / flat.shape[2]
        one, other = torch.triu_indices(3, 3, 1)
        std = covariance.diagonal(dim1=1, dim2=2).clamp_min(1e-8).sqrt()
        features += [flat.mean(dim=2), std, 4 * covariance[:, one, other]]
    luma = torch.einsum("c,bchw->bhw", unit.new_tensor(REC_709), unit)[:, None]
    for _ in range(SCALES):
        across, down = luma.diff(dim=3), luma.diff(dim=2)
        features += [_energy(across), _energy(down), _energy(across, upper=True)]
        smaller = F.avg_pool2d(luma, 2)
        features += [_energy(luma - F.interpolate(smaller, scale_factor=2, mode="bilinear"))]
        luma = smaller
    return torch.cat(features, dim=1)


def colours(pictures: Tensor) -> Tensor:
    """Seven colour statistics (b, 7) of pictures (b, 3, h, w) in [-1, 1].

    Luma, chroma, warmth, luma and chroma of the upper half, contrast (standard deviation of the
    luma), edges.
    """
    unit = (pictures.float() + 1) / 2
    luma = torch.einsum("c,bchw->bhw", unit.new_tensor(REC_709), unit)
    chroma = unit.amax(dim=1) - unit.amin(dim=1)
    warmth = unit[:, 0] - unit[:, 2]
    edges = luma.diff(dim=2).abs().mean(dim=(1, 2)) + luma.diff(dim=1).abs().mean(dim=(1, 2))
    top = slice(0, luma.shape[1] // 2)
    planes = [luma, chroma, warmth, luma[:, top], chroma[:, top]]
    means = [plane.mean(dim=(1, 2)) for plane in planes]
    return torch.stack([*means, luma.std(dim=(1, 2)), edges], dim=1)


def _energy(plane: Tensor, *, upper: bool = False) -> Tensor:
    plane = plane[:, :, : plane.shape[2] // 2] if upper else plane
    return 0.25 * plane.square().mean(dim=(1, 2, 3)).clamp_min(1e-8).log()[:, None]
