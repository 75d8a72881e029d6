"""Preservation of all attributes but the age."""

import torch.nn.functional as F
from torch import Tensor

from engine.losses.age_prototypes import AgePrototypes


def attribute_loss(before: Tensor, after: Tensor, ages: AgePrototypes) -> Tensor:
    """1 - cos(Q V(x), Q V(y)), a scalar: Q projects out the age axes.

    before, after: features V (b, d) of the photograph and of the output.
    """
    cosine = F.cosine_similarity(ages.without_age(before), ages.without_age(after), dim=1)
    return (1 - cosine).mean()
