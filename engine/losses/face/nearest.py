"""The person's photos around an age, and the most similar of them."""

import torch
from torch import Tensor

from engine.losses.face.context import References

EDGE = 1e-3  # years: rounding error of an age that was stored as a float


def cosines(embedding: Tensor, others: Tensor) -> Tensor:
    """Cosines of unit rows (b, d) with shared others (n, d) or their own (b, n, d): (b, n).

    Not a matrix product: autocast would compute it in bfloat16, whose steps near 1 are 0.004.
    """
    return (embedding.float()[:, None] * others.float()).sum(dim=2)


def around(references: References, ages: Tensor, radius: int) -> Tensor:
    """Which photos are references for each of ages (b,): (b, n) bool, at least one in every row.

    Those of the year nearest to the age, and of every year within `radius` of that one. Years are
    integers, so that no pair of ages is missed by rounding.
    """
    years = references.years
    nearest = years[(years - ages[:, None]).abs().argmin(dim=1)]
    return (years - nearest[:, None]).abs() <= radius


def nearest_cosine(
    embedding: Tensor, references: References, ages: Tensor, *, radius: int
) -> Tensor:
    """Cosine of (b, d) to the most similar photo of the person around ages (b,): (b,)."""
    cosine = cosines(embedding, references.embeddings)
    return cosine.masked_fill(~around(references, ages, radius), -torch.inf).amax(dim=1)


def covered(references: References, ages: Tensor) -> Tensor:
    """Whether ages (b,) lie within those of the photos, both ends included: (b,) bool."""
    low, high = references.ages.aminmax()
    return (ages >= low - EDGE) & (ages <= high + EDGE)
