"""The person's photos around an age, and the most similar of them."""

import torch
from torch import Tensor

from engine.losses.face.context import References, required
from engine.losses.face.inputs import LossInputs

EDGE = 1e-3  # years: rounding error of an age that was stored as a float


def cosines(embedding: Tensor, others: Tensor) -> Tensor:
    """Cosines of unit rows (b, d) with shared others (n, d) or their own (b, n, d): (b, n).

    Not a matrix product: autocast would compute it in bfloat16, whose steps near 1 are 0.004.
    """
    return (embedding.float()[:, None] * others.float()).sum(dim=2)


def around(
    references: References, ages: Tensor, radius: int, *, without: Tensor | None = None
) -> Tensor:
    """Which photos are references for each of ages (b,): (b, n) bool, at least one in every row.

    Those of the year nearest to the age, and of every year within `radius` of that one. Years are
    integers, so that no pair of ages is missed by rounding. without: (b,) the row of the photo that
    each sample was made from, which is no reference for it unless the person has no other.
    """
    years, rows = references.years, torch.arange(len(references.ages), device=ages.device)
    others = torch.ones_like(rows, dtype=torch.bool)[None]
    if without is not None and len(rows) > 1:
        others = rows != without[:, None]
    gaps = (years - ages[:, None]).abs().masked_fill(~others, torch.inf)
    nearest = years[gaps.argmin(dim=1)]
    return ((years - nearest[:, None]).abs() <= radius) & others


def nearest_cosine(inputs: LossInputs, radius: int) -> Tensor:
    """Cosine of the outputs to the most similar photo of the person around the target ages: (b,).

    The photo that an output was made from does not count: to copy it is not to look like the person
    did at that age.
    """
    references = required(inputs.context.references, "references")
    cosine = cosines(inputs.embedding(), references.embeddings)
    close = around(references, inputs.target_age, radius, without=inputs.photo)
    return cosine.masked_fill(~close, -torch.inf).amax(dim=1)


def covered(references: References, ages: Tensor) -> Tensor:
    """Whether ages (b,) lie within those of the photos, both ends included: (b,) bool."""
    low, high = references.ages.aminmax()
    return (ages >= low - EDGE) & (ages <= high + EDGE)
