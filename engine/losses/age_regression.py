"""Losses of age networks with ordinal outputs, or with a mean and a variance."""

import torch
import torch.nn.functional as F
from torch import Tensor


def ordinal_bce(logits: Tensor, ages: Tensor) -> Tensor:
    """Ordinal BCE in nats, summed over thresholds: logits (b, n) of being older than 0.5, 1.5, ...
    years against ages (b,) in years (Niu et al. 2016, section 3).
    """
    thresholds = torch.arange(logits.shape[1], dtype=torch.float32, device=logits.device) + 0.5
    older = (ages.float()[:, None] > thresholds).float()
    return F.binary_cross_entropy_with_logits(logits.float(), older, reduction="none").sum(1).mean()


def beta_nll(mean: Tensor, log_variance: Tensor, target: Tensor, *, beta: float = 0.5) -> Tensor:
    """Beta-NLL of targets (b,) under normal distributions, without its constant: a scalar.

    beta: power of the variance that weights each sample, between 0 (the likelihood itself, which
    underfits hard samples) and 1 (squared errors); Seitzer et al. 2022, equation 5.
    """
    variance = log_variance.clamp(-10, 10).exp()
    nll = ((target - mean).square() / variance + variance.log()) / 2
    return (variance.detach() ** beta * nll).mean()
