"""Classification with soft labels and sample weights."""

import torch.nn.functional as F
from torch import Tensor


def soft_cross_entropy(logits: Tensor, labels: Tensor, weights: Tensor | None = None) -> Tensor:
    """Cross entropy of logits (b, k) with soft labels (b, k), in nats: a scalar.

    weights: (b,) in [0, 1], by which each sample counts; the mean is over all b.
    """
    loss = -(labels * F.log_softmax(logits.float(), dim=1)).sum(dim=1)
    if weights is None:
        return loss.mean()
    return (loss * weights).mean()
