"""Batches of photographs with a target age each, for trainings without truth at that age."""

import torch
from torch import Tensor

from engine.core.numbers import Span
from engine.data.targets.base import TargetChoice
from engine.training.photos import Photos
from engine.training.task import Batch, StepContext


def targeted_batch(
    photos: Photos,
    rows: Tensor,
    context: StepContext,
    targets: TargetChoice,
    *,
    mirror: bool,
    known: Span,
) -> Batch:
    """Photographs in these rows (b,), half of them flipped if `mirror`, and their target ages.

    `row` is twice the row, plus one for a flipped photograph; `age`, `target` and `same`, whether
    the target is the age of the photograph, are (b,). known: the ages of all photographs.
    """
    draws = context.draws
    mirrored = draws.uniform("mirrored") < (0.5 if mirror else 0.0)
    ages = torch.from_numpy(photos.ages)[rows]
    chosen = targets.sample(ages, draws, step=context.step, known=known)
    return {
        "photo": photos.tensor(rows, mirrored),
        "row": 2 * rows + mirrored.long(),
        "age": ages,
        "target": chosen.ages,
        "same": chosen.same,
    }
