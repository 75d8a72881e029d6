"""Red flags of painted pictures: what goes wrong with generators, seen by simple statistics.

Each statistic is compared in the mean over at least 16 pictures with what the data itself shows:
limits for photographs would reject drawn landscapes.
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
ROUNDS, MARGIN = 400, 0.25
LOW = frozenset({"contrast", "colour", "sharpness"})
"""Statistics that fail by being low; the rest by being high."""
CAUSES = {
    "contrast": "gray: the discriminator is too strong, lower its rate or let it see changes",
    "colour": "colourless: the discriminator is too strong, lower its rate or let it see changes",
    "checker_2": "checkerboard of 2 px: look at the enlargement",
    "checker_4": "checkerboard of 4 px: look at the enlargement",
    "blocks": "blocks: look at the enlargement, such as a pixel shuffle",
    "banding": "banding: unstable, look at the gamma of the emotional residual units",
    "slope": "blur: the reconstruction weighs too much, or the generator starves",
    "sharpness": "blur: the reconstruction weighs too much, or the generator starves",
    "clipping": "clipped: colours leave their range, look at beta of the units",
    "cross": "blurred along the diagonals: the enlargement is bilinear",
    "collapse": "collapsed: codes no longer matter, raise `code_diversity` or let changes be seen",
    "deaf": "deaf: valence and arousal no longer matter, raise `place` or `diversity_pair`",
    "copies": "copies: pictures learned from come back, learn from more or let changes be seen",
    "gamma": "gamma beyond what the units may give: the weights or the code are wrong",
    "overconfident": "the discriminator is too strong: lower its rate or let it see changes",
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
        "slope": _slope(power),
        "sharpness": curved.square().mean(dim=(1, 2)).sqrt(),
        "clipping": ((unit < 0.01) | (unit > 0.99)).float().mean(dim=(1, 2, 3)),
    }


@dataclass(frozen=True, slots=True)
class Limits:
    """The least or the largest mean over 16 pictures that the data explains."""

    edges: Mapping[str, float]
    cross: float
    """How much the detail of the data lies along the diagonals."""
    reach: float
    """How far from that a set may stray, either way."""

    @classmethod
    def of(cls, pictures: Tensor, *, seed: int = 0) -> Self:
        """Learn the limits from real pictures (n, 3, s, s), some hundreds.

        The 99.9 % quantile of bootstrapped means of 16, and beyond it a quarter of its distance
        from the mean and of the spread of single pictures.
        """
        random = np.random.default_rng(seed)
        rows = random.integers(0, len(pictures), (ROUNDS, FEWEST))
        edges: dict[str, float] = {}
        for name, told in flag_statistics(pictures).items():
            single = told.double().cpu().numpy()
            sign = -1.0 if name in LOW else 1.0
            edge = sign * float(np.quantile(sign * single[rows].mean(axis=1), 0.999))
            edges[name] = edge + sign * MARGIN * (
                abs(edge - float(single.mean())) + float(single.std())
            )
        detail = _detail(pictures)
        cross = float(_crossed(detail.mean(dim=0)))
        few = [float(_crossed(detail[torch.from_numpy(row)].mean(dim=0))) for row in rows]
        stray = float(np.quantile(np.abs(np.array(few) - cross), 0.999))
        return cls(edges, cross, max(CROSSED, (1 + MARGIN) * stray))

    def raised(self, pictures: Tensor) -> dict[str, float]:
        """The flags of painted pictures (n, 3, s, s), n >= 16, with the means that raised them."""
        if len(pictures) < FEWEST:
            raise ValueError(f"{len(pictures)} pictures are too few to raise a flag")
        found = {name: float(told.mean()) for name, told in flag_statistics(pictures).items()}
        raised = {
            name: value
            for name, value in found.items()
            if (value < self.edges[name] if name in LOW else value > self.edges[name])
        }
        cross = float(_crossed(_detail(pictures).mean(dim=0)))
        return raised | ({"cross": cross} if abs(cross - self.cross) > self.reach else {})


def _luma(unit: Tensor) -> Tensor:
    return torch.einsum("c,bchw->bhw", unit.new_tensor(REC_709), unit)


def _curved(luma: Tensor) -> Tensor:
    """The Laplacian (b, s - 2, s - 2)."""
    kernel = luma.new_tensor([[0.0, 1.0, 0.0], [1.0, -4.0, 1.0], [0.0, 1.0, 0.0]])
    return F.conv2d(luma[:, None], kernel[None, None])[:, 0]


def _detail(pictures: Tensor) -> Tensor:
    """Where pictures have detail, (b, s - 2, s - 2)."""
    return _curved(_luma(((pictures.float() + 1) / 2).clamp(0, 1))).square()


def _crossed(detail: Tensor) -> Tensor:
    """Correlation of a map (s, s) with the cross of both diagonals."""
    side = len(detail)
    place = torch.arange(side, device=detail.device)
    near = WIDTH * side
    falling = (place[:, None] - place).abs() < near
    rising = (place[:, None] + place - (side - 1)).abs() < near
    cross = (falling | rising).float()
    return torch.corrcoef(torch.stack([cross.flatten(), detail.flatten()]))[0, 1].nan_to_num()


def _marginals(power: Tensor) -> tuple[Tensor, Tensor]:
    """Power by frequency across and down, (b, side / 2 + 1) each."""
    half = power.shape[-1]
    down = power.sum(dim=2)
    folded = down[:, :half].clone()
    folded[:, 1 : half - 1] += down[:, half:].flip(1)
    return power.sum(dim=1), folded


def _peak(power: Tensor, at: int, *around: tuple[float, float]) -> Tensor:
    """How far the power of a frequency stands above that of its surroundings, in decades."""
    told: list[Tensor] = []
    for marginal in _marginals(power):
        last = marginal.shape[1] - 1
        places = [torch.arange(int(low * last), int(high * last) + 1) for low, high in around]
        level = marginal[:, torch.cat(places).to(marginal.device)].median(dim=1).values
        top = marginal[:, max(at - 1, 0) if at == last else at : at + 1].mean(dim=1)
        told.append(top.log10() - level.log10())
    return torch.stack(told).amax(dim=0)


def _blocks(luma: Tensor) -> Tensor:
    """Steps across every 8th line over those across all other lines."""
    told: list[Tensor] = []
    for steps in (luma.diff(dim=2).abs().mean(dim=1), luma.diff(dim=1).abs().mean(dim=2)):
        on = torch.arange(1, steps.shape[1] + 1, device=luma.device) % 8 == 0
        told.append(steps[:, on].mean(dim=1) / steps[:, ~on].mean(dim=1).clamp_min(1e-6))
    return torch.stack(told).amax(dim=0)


def _banding(luma: Tensor) -> Tensor:
    """How much whole rows differ from their neighbours, in shares of what single pixels do.

    Medians over the rows: a horizon and a shore are a few rows of strong steps, bands are many.
    """
    rows = luma.mean(dim=2).diff(n=2, dim=1).abs().median(dim=1).values
    pixels = luma.diff(n=2, dim=1).abs().mean(dim=2).median(dim=1).values
    return rows / pixels.clamp_min(1e-6)


def _slope(power: Tensor) -> Tensor:
    """How steeply power falls with frequency, in decades a decade: steeper is blurrier."""
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
