"""Whether everything but the age stayed."""

import torch.nn.functional as F
from torch import Tensor

from engine.losses.age_prototypes import AgePrototypes


def attributes_kept(before: Tensor, after: Tensor, ages: AgePrototypes) -> Tensor:
    """1 - cos(Q V(x), Q V(y)), a scalar: Q leaves out what lies along the ages.

    before, after: features V (b, d) of the photograph and of the aged one
    (`specs/agetransformer.md` 1.10).
    """
    stayed = F.cosine_similarity(ages.ageless(before), ages.ageless(after), dim=1)
    return (1 - stayed).mean()
