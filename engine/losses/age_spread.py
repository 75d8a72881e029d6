"""Losses of age networks that tell how sure they are in other ways than by a distribution."""

import torch
import torch.nn.functional as F
from torch import Tensor


def ordinal_bce(logits: Tensor, ages: Tensor) -> Tensor:
    """Cross-entropy in nats, summed over the birthdays: logits (b, n) of having passed 0.5, 1.5,
    ... years against ages (b,) in years (Niu et al. 2016, section 3).
    """
    birthdays = torch.arange(logits.shape[1], dtype=torch.float32, device=logits.device) + 0.5
    past = (ages.float()[:, None] > birthdays).float()
    return F.binary_cross_entropy_with_logits(logits.float(), past, reduction="none").sum(1).mean()


def normal_likelihood(
    mean: Tensor, log_variance: Tensor, target: Tensor, *, heed: float = 0.5
) -> Tensor:
    """Negative log-likelihood of targets (b,) under normal distributions, without its constant.

    heed: power of the variance by which each case counts, between 0 (the likelihood itself, which
    forgets hard cases) and 1 (squared errors); Seitzer et al. 2022, equation 5.
    """
    variance = log_variance.clamp(-10, 10).exp()
    each = ((target - mean).square() / variance + variance.log()) / 2
    return (variance.detach() ** heed * each).mean()
