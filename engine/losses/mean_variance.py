"""Ages as distributions: on the right years, with the right mean, and narrow (Pan et al. 2018)."""

from typing import NamedTuple

import torch
from torch import Tensor


class AgeTerms(NamedTuple):
    """The three parts of the loss, scalars: softmax in nats, mean and variance in years^2."""

    softmax: Tensor
    mean: Tensor
    variance: Tensor


def mean_variance(logits: Tensor, ages: Tensor, *, spread: float = 0.0) -> AgeTerms:
    """Compare logits (b, bins) of the years 0, 1, 2, ... with ages (b,) in years.

    spread: standard deviation in years of the target distribution (Gao et al. 2017); at 0 all of
    it stands on the two years nearest to the age, as Pan et al. do for whole years.
    """
    years = torch.arange(logits.shape[1], dtype=torch.float32, device=logits.device)
    away = years - ages.float()[:, None]
    target = (1 - away.abs()).clamp(min=0) if spread == 0 else _bell(away, spread)
    told = logits.float().log_softmax(dim=1)
    share = told.exp()
    mean = share @ years
    variance = (share * (years - mean[:, None]).square()).sum(dim=1)
    return AgeTerms(
        softmax=-(target * told).sum(dim=1).mean(),
        mean=(mean - ages).square().mean() / 2,
        variance=variance.mean(),
    )


def _bell(away: Tensor, spread: float) -> Tensor:
    return (-0.5 * (away / spread).square()).softmax(dim=1)
