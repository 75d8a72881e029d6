"""Red flags: known failures of generators, detected by simple image statistics.

The mean of a statistic over at least 16 images is compared with limits learned from the data:
limits for photographs would reject rendered landscapes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from engine.core.luma import REC_709

FEWEST = 16
RESAMPLES, MARGIN = 400, 0.25
LOW = frozenset({"contrast", "colour", "sharpness"})
"""Statistics with a lower limit; the others have an upper limit."""
CAUSES = {
    "contrast": "grey: the discriminator is too strong, lower its rate or augment",
    "colour": "colourless: the discriminator is too strong, lower its rate or augment",
    "checker_2": "checkerboard of 2 px: check the upsampling",
    "checker_4": "checkerboard of 4 px: check the upsampling",
    "blocks": "blocks: check the upsampling, such as a pixel shuffle",
    "banding": "banding: unstable training, check gamma of the emotional residual units",
    "spectral_slope": "blur: lower the weight of `reconstruction`, or train longer",
    "sharpness": "blur: lower the weight of `reconstruction`, or train longer",
    "clipping": "clipping: colours leave their range, check beta of the units",
    "cross": "blur along the diagonals: the upsampling is bilinear",
    "collapse": "mode collapse: the latent is ignored, raise `latent_diversity` or augment",
    "ignores_va": "valence and arousal are ignored, raise `valence_arousal` or `va_diversity`",
    "copies": "copies of training images: train on more images or augment",
    "gamma": "gamma exceeds the bound of the units: a defect in the weights or the code",
    "overconfident": "the discriminator is too strong: lower its rate or augment",
}
WIDTH = 6 / 128
"""Half the width of the arms of the cross, in sides."""
CROSSED = 0.15


def flag_statistics(pictures: Tensor) -> dict[str, Tensor]:
    """Statistics (b,) of pictures (b, 3, s, s) in [-1, 1], by the names of `CAUSES`."""
    unit = ((pictures.float() + 1) / 2).clamp(0, 1)
    luma = _luma(unit)
    side = luma.shape[-1]
    window = torch.hann_window(side, device=luma.device)
    power = torch.fft.rfft2(luma * window * window[:, None]).abs().square() + 1e-12
    curved = _curved(luma)
    return {
        "contrast": luma.std(dim=(1, 2)),
        "colour": (unit.amax(dim=1) - unit.amin(dim=1)).mean(dim=(1, 2)),
        "checker_2": _peak(power, side // 2, (0.78, 0.94)),
        "checker_4": _peak(power, side // 4, (0.40, 0.47), (0.55, 0.60)),
        "blocks": _blocks(luma),
        "banding": _banding(luma),
        "spectral_slope": _spectral_slope(power),
        "sharpness": curved.square().mean(dim=(1, 2)).sqrt(),
        "clipping": ((unit < 0.01) | (unit > 0.99)).float().mean(dim=(1, 2, 3)),
    }


@dataclass(frozen=True, slots=True)
class FlagLimits:
    """Lower or upper limits of means over 16 images."""

    edges: Mapping[str, float]
    cross: float
    """Correlation of the data's detail with the diagonals."""
    tolerance: float
    """Largest deviation from it."""

    @classmethod
    def of(cls, pictures: Tensor, *, seed: int = 0) -> Self:
        """Fit the limits to real pictures (n, 3, s, s), some hundreds.

        The 99.9 % quantile of bootstrapped means of 16, plus a quarter of its distance from the
        mean and of the standard deviation of single pictures.
        """
        random = np.random.default_rng(seed)
        rows = random.integers(0, len(pictures), (RESAMPLES, FEWEST))
        edges: dict[str, float] = {}
        for name, values in flag_statistics(pictures).items():
            single = values.double().cpu().numpy()
            sign = -1.0 if name in LOW else 1.0
            edge = sign * float(np.quantile(sign * single[rows].mean(axis=1), 0.999))
            edges[name] = edge + sign * MARGIN * (
                abs(edge - float(single.mean())) + float(single.std())
            )
        detail = _detail(pictures)
        cross = float(_crossed(detail.mean(dim=0)))
        few = [float(_crossed(detail[torch.from_numpy(row)].mean(dim=0))) for row in rows]
        deviation = float(np.quantile(np.abs(np.array(few) - cross), 0.999))
        return cls(edges, cross, max(CROSSED, (1 + MARGIN) * deviation))

    def raised(self, pictures: Tensor) -> dict[str, float]:
        """The flags of images (n, 3, s, s), n >= 16, with the means that raised them."""
        if len(pictures) < FEWEST:
            raise ValueError(f"{len(pictures)} pictures are too few to raise a flag")
        means = {name: float(x.mean()) for name, x in flag_statistics(pictures).items()}
        raised = {
            name: value
            for name, value in means.items()
            if (value < self.edges[name] if name in LOW else value > self.edges[name])
        }
        cross = float(_crossed(_detail(pictures).mean(dim=0)))
        return raised | ({"cross": cross} if abs(cross - self.cross) > self.tolerance else {})


def _luma(unit: Tensor) -> Tensor:
    return torch.einsum("c,bchw->bhw", unit.new_tensor(REC_709), unit)


def _curved(luma: Tensor) -> Tensor:
    """The Laplacian (b, s - 2, s - 2)."""
    kernel = luma.new_tensor([[0.0, 1.0, 0.0], [1.0, -4.0, 1.0], [0.0, 1.0, 0.0]])
    return F.conv2d(luma[:, None], kernel[None, None])[:, 0]


def _detail(pictures: Tensor) -> Tensor:
    """Squared Laplacian of the luma, (b, s - 2, s - 2)."""
    return _curved(_luma(((pictures.float() + 1) / 2).clamp(0, 1))).square()


def _crossed(detail: Tensor) -> Tensor:
    """Correlation of a map (s, s) with the cross of both diagonals."""
    side = len(detail)
    pixels = torch.arange(side, device=detail.device)
    near = WIDTH * side
    falling = (pixels[:, None] - pixels).abs() < near
    rising = (pixels[:, None] + pixels - (side - 1)).abs() < near
    cross = (falling | rising).float()
    return torch.corrcoef(torch.stack([cross.flatten(), detail.flatten()]))[0, 1].nan_to_num()


def _marginals(power: Tensor) -> tuple[Tensor, Tensor]:
    """Power by frequency across and down, (b, side / 2 + 1) each."""
    half = power.shape[-1]
    down = power.sum(dim=2)
    folded = down[:, :half].clone()
    folded[:, 1 : half - 1] += down[:, half:].flip(1)
    return power.sum(dim=1), folded


def _peak(power: Tensor, frequency: int, *around: tuple[float, float]) -> Tensor:
    """Power of a frequency relative to its surroundings, in decades."""
    peaks: list[Tensor] = []
    for marginal in _marginals(power):
        last = marginal.shape[1] - 1
        bins = [torch.arange(int(low * last), int(high * last) + 1) for low, high in around]
        level = marginal[:, torch.cat(bins).to(marginal.device)].median(dim=1).values
        first = max(frequency - 1, 0) if frequency == last else frequency
        top = marginal[:, first : frequency + 1].mean(dim=1)
        peaks.append(top.log10() - level.log10())
    return torch.stack(peaks).amax(dim=0)


def _blocks(luma: Tensor) -> Tensor:
    """Mean step across every 8th line over the mean step across all other lines."""
    ratios: list[Tensor] = []
    for steps in (luma.diff(dim=2).abs().mean(dim=1), luma.diff(dim=1).abs().mean(dim=2)):
        on = torch.arange(1, steps.shape[1] + 1, device=luma.device) % 8 == 0
        ratios.append(steps[:, on].mean(dim=1) / steps[:, ~on].mean(dim=1).clamp_min(1e-6))
    return torch.stack(ratios).amax(dim=0)


def _banding(luma: Tensor) -> Tensor:
    """Second differences of row means over those of single pixels.

    Medians over the rows: a horizon or a shore is a few rows, banding is many.
    """
    rows = luma.mean(dim=2).diff(n=2, dim=1).abs().median(dim=1).values
    pixels = luma.diff(n=2, dim=1).abs().mean(dim=2).median(dim=1).values
    return rows / pixels.clamp_min(1e-6)


def _spectral_slope(power: Tensor) -> Tensor:
    """Negative slope of log power over log frequency: steeper is blurrier."""
    side = power.shape[1]
    down = torch.fft.fftfreq(side, device=power.device)[:, None] * side
    radius = torch.hypot(down, torch.arange(power.shape[2], device=power.device)[None])
    last = int(0.86 * side / 2)
    bins = radius.round().long().clamp(max=last + 1).flatten()
    count = torch.bincount(bins, minlength=last + 2).clamp_min(1)
    level = power.flatten(1).new_zeros(len(power), last + 2)
    level = level.scatter_add(1, bins.expand(len(power), -1), power.flatten(1)) / count
    x = torch.arange(4, last + 1, device=power.device).float().log10()
    y = level[:, 4 : last + 1].log10()
    centred = x - x.mean()
    return -(y * centred).sum(dim=1) / centred.square().sum()
