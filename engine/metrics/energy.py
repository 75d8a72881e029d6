"""High-frequency energy of eyes, mouth and skin: what blur loses and no pixel error misses."""

import math
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from engine.core.luma import REC_601
from engine.metrics.regions import regions

REGIONS = ("eyes", "mouth", "skin")
BANDS: dict[str, float] = {"finest": 0.0, "fine": 0.8}
"""Sigma in pixels of the Gaussian blur before the Laplacian; the second leaves out grain."""
TINY = 1e-12


class Place(NamedTuple):
    """One region in one band of frequencies."""

    region: str
    band: str


def energy_ratios(
    outputs: Tensor, truths: Tensor, points: NDArray[np.floating]
) -> dict[Place, NDArray[np.float64]]:
    """Energy of each output over that of its truth, (b,) for every region and band.

    outputs, truths: (b, 3, s, s) in [-1, 1]; points: the truth's landmarks (b, 68, 2) in pixels.
    Energy is the mean square of the Laplacian of the luma: half the contrast is a quarter of it.
    """
    ours, theirs = region_energies(outputs, points), region_energies(truths, points)
    return {place: ours[place] / np.maximum(theirs[place], TINY) for place in ours}


def region_energies(
    pictures: Tensor, points: NDArray[np.floating]
) -> dict[Place, NDArray[np.float64]]:
    """Mean square of the Laplacian, (b,) for every region and band."""
    if len(pictures) != len(points) or pictures.shape[-1] != pictures.shape[-2]:
        raise ValueError(f"pictures {tuple(pictures.shape)} do not go with {len(points)} faces")
    masks = [regions(face, pictures.shape[-1]) for face in points]
    told: dict[Place, NDArray[np.float64]] = {}
    for band, sigma in BANDS.items():
        response = laplacian(pictures, sigma).square().numpy(force=True)
        for region in REGIONS:
            told[Place(region, band)] = np.array(
                [
                    picture[mask[region]].mean(dtype=np.float64) if mask[region].any() else np.nan
                    for picture, mask in zip(response, masks, strict=True)
                ]
            )
    return told


def laplacian(pictures: Tensor, sigma: float = 0.0) -> Tensor:
    """Laplacian of the luma of (b, 3, h, w) after a blur of sigma pixels: (b, h, w)."""
    luma = torch.einsum("c,bchw->bhw", pictures.new_tensor(REC_601), pictures)[:, None].float()
    if sigma > 0:
        radius = math.ceil(3 * sigma)
        across = torch.arange(-radius, radius + 1, dtype=torch.float32, device=luma.device)
        bell = torch.exp(-(across**2) / (2 * sigma**2))
        bell = (bell / bell.sum())[None, None]
        luma = F.conv2d(_padded(luma, radius), bell[..., None, :])
        luma = F.conv2d(luma, bell[..., :, None])
    luma = _padded(luma, 1)
    centre = luma[:, 0, 1:-1, 1:-1]
    around = luma[:, 0, :-2, 1:-1] + luma[:, 0, 2:, 1:-1]
    return around + luma[:, 0, 1:-1, :-2] + luma[:, 0, 1:-1, 2:] - 4 * centre


def _padded(luma: Tensor, radius: int) -> Tensor:
    return F.pad(luma, (radius,) * 4, mode="reflect")
