"""Photos of the person around an age, and the one among them most like a picture."""

import torch
from torch import Tensor

from engine.losses.face.context import References

EDGE = 1e-3  # years by which an age read back from floats may miss the photo's own


def cosines(embedding: Tensor, others: Tensor) -> Tensor:
    """Cosines of unit rows (b, d) with others (n, d), or others (b, n, d) of their own: (b, n).

    Not a matrix product: autocast would make it one of bfloat16, and cosines 0.004 apart the same.
    """
    return (embedding.float()[:, None] * others.float()).sum(dim=2)


def around(references: References, ages: Tensor, radius: int) -> Tensor:
    """Which photos speak for each of ages (b,): (b, n) bool, at least one in every row.

    Those of the year nearest to the age, and of every year within `radius` of that one. Years are
    whole numbers: 3 years apart is 3 years apart.
    """
    years = references.years
    nearest = years[(years - ages[:, None]).abs().argmin(dim=1)]
    return (years - nearest[:, None]).abs() <= radius


def nearest_cosine(
    embedding: Tensor, references: References, ages: Tensor, *, radius: int
) -> Tensor:
    """Cosine of (b, d) to the most similar photo of the person around ages (b,): (b,)."""
    found = cosines(embedding, references.embeddings)
    return found.masked_fill(~around(references, ages, radius), -torch.inf).amax(dim=1)


def covered(references: References, ages: Tensor) -> Tensor:
    """Whether ages (b,) lie within those of the photos, both ends included: (b,) bool."""
    low, high = references.ages.aminmax()
    return (ages >= low - EDGE) & (ages <= high + EDGE)
