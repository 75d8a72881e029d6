"""Mean-variance loss of an age distribution (Pan et al. 2018)."""

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

    spread: standard deviation in years of the target distribution (Gao et al. 2017); at 0 it is
    linear on the two years nearest to the age, which for whole years is the target of Pan et al.
    """
    years = torch.arange(logits.shape[1], dtype=torch.float32, device=logits.device)
    offset = years - ages.float()[:, None]
    target = (1 - offset.abs()).clamp(min=0) if spread == 0 else _gaussian(offset, spread)
    log_probability = logits.float().log_softmax(dim=1)
    probability = log_probability.exp()
    mean = probability @ years
    variance = (probability * (years - mean[:, None]).square()).sum(dim=1)
    return AgeTerms(
        softmax=-(target * log_probability).sum(dim=1).mean(),
        mean=(mean - ages).square().mean() / 2,
        variance=variance.mean(),
    )


def _gaussian(offset: Tensor, spread: float) -> Tensor:
    return (-0.5 * (offset / spread).square()).softmax(dim=1)
