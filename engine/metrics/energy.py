"""High-frequency energy of eyes, mouth and skin, which blur lowers."""

import math
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from engine.core.luma import REC_601
from engine.metrics.regions import region_masks

REGIONS = ("eyes", "mouth", "skin")
BANDS: dict[str, float] = {"finest": 0.0, "fine": 0.8}
"""Sigma in pixels of the Gaussian blur before the Laplacian; the second suppresses grain."""
EPSILON = 1e-12


class RegionBand(NamedTuple):
    """One region in one frequency band."""

    region: str
    band: str


def energy_ratios(
    outputs: Tensor, truths: Tensor, points: NDArray[np.floating]
) -> dict[RegionBand, NDArray[np.float64]]:
    """Energy of each output over that of its truth, (b,) for every region and band.

    outputs, truths: (b, 3, s, s) in [-1, 1]; points: the truth's landmarks (b, 68, 2) in pixels.
    Energy is the mean square of the Laplacian of the luma: half the contrast is a quarter of it.
    """
    ours, theirs = region_energies(outputs, points), region_energies(truths, points)
    return {key: ours[key] / np.maximum(theirs[key], EPSILON) for key in ours}


def region_energies(
    pictures: Tensor, points: NDArray[np.floating]
) -> dict[RegionBand, NDArray[np.float64]]:
    """Mean square of the Laplacian, (b,) for every region and band."""
    if len(pictures) != len(points) or pictures.shape[-1] != pictures.shape[-2]:
        raise ValueError(f"pictures {tuple(pictures.shape)} do not go with {len(points)} faces")
    masks = [region_masks(face, pictures.shape[-1]) for face in points]
    energies: dict[RegionBand, NDArray[np.float64]] = {}
    for band, sigma in BANDS.items():
        response = laplacian(pictures, sigma).square().numpy(force=True)
        for region in REGIONS:
            energies[RegionBand(region, band)] = np.array(
                [
                    picture[mask[region]].mean(dtype=np.float64) if mask[region].any() else np.nan
                    for picture, mask in zip(response, masks, strict=True)
                ]
            )
    return energies


def laplacian(pictures: Tensor, sigma: float = 0.0) -> Tensor:
    """Laplacian of the luma of (b, 3, h, w) after a blur of sigma pixels: (b, h, w)."""
    luma = torch.einsum("c,bchw->bhw", pictures.new_tensor(REC_601), pictures)[:, None].float()
    if sigma > 0:
        radius = math.ceil(3 * sigma)
        offsets = torch.arange(-radius, radius + 1, dtype=torch.float32, device=luma.device)
        gaussian = torch.exp(-(offsets**2) / (2 * sigma**2))
        gaussian = (gaussian / gaussian.sum())[None, None]
        luma = F.conv2d(_padded(luma, radius), gaussian[..., None, :])
        luma = F.conv2d(luma, gaussian[..., :, None])
    luma = _padded(luma, 1)
    centre = luma[:, 0, 1:-1, 1:-1]
    around = luma[:, 0, :-2, 1:-1] + luma[:, 0, 2:, 1:-1]
    return around + luma[:, 0, 1:-1, :-2] + luma[:, 0, 1:-1, 2:] - 4 * centre


def _padded(luma: Tensor, radius: int) -> Tensor:
    return F.pad(luma, (radius,) * 4, mode="reflect")
