"""Classification by labels that are shares of classes, some of them surer than others."""

import torch.nn.functional as F
from torch import Tensor


def soft_cross_entropy(logits: Tensor, labels: Tensor, sure: Tensor | None = None) -> Tensor:
    """Cross entropy of logits (b, k) with shares (b, k), in nats: a scalar.

    sure: (b,) weights in [0, 1]; a label of weight 0 teaches nothing and dilutes nobody: the mean
    is over the weights. All of them 0 gives 0.
    """
    told = -(labels * F.log_softmax(logits.float(), dim=1)).sum(dim=1)
    if sure is None:
        return told.mean()
    return (told * sure).sum() / sure.sum().clamp(min=1e-6)
