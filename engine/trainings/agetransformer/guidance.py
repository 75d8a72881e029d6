"""Guidance of an AgeTransformer's training by a vision-language model.

Captions guide the style; an image tower measures whether a face moves along the direction between
two ages, and whether everything else stays. Each is off by default.
"""

from dataclasses import dataclass

import torch
from pydantic import Field
from torch import Tensor

from engine.core.errors import InputError
from engine.core.numbers import Real
from engine.core.progress import Progress, reported
from engine.core.table import Table
from engine.data.labelled import LabelledFaces
from engine.losses.age_prototypes import AgePrototypes
from engine.losses.attributes import attribute_loss
from engine.losses.directional import directional_loss
from engine.nets.protocols import ImageTower
from engine.training.task import Batch, Term
from engine.trainings.agetransformer.loss import AgeTransformerLoss

BATCH = 16
"""Pictures per forward pass of a tower."""


class VlmGuidance(Table):
    """Where captions and the image tower come from; the weights of its losses are in `[loss]`."""

    captions: str | None = None
    """Folder that `tm relabel --captions` wrote for the faces; some may have no caption."""
    caption_dropout: Real = Field(default=0.5, ge=0, lt=1)
    """Share of the faces of a step without their caption, as in validation and `tm infer`."""
    tower: str | None = None
    """Image tower of the losses: `janus-pro-1b`, `janus-pro-7b`, or the folder of one."""
    per_age: int = Field(default=500, ge=1)
    """Faces of each age, at most, for the mean features of the age."""


@dataclass(slots=True, eq=False)
class TowerLoss:
    """The losses `direction` and `attributes`; ages: mean features, set by `precompute`."""

    tower: ImageTower
    loss: AgeTransformerLoss
    per_age: int
    ages: AgePrototypes | None = None

    @torch.no_grad()
    def precompute(
        self, faces: LabelledFaces, labels: Tensor, device: torch.device, progress: Progress
    ) -> None:
        """Compute the mean features of every age from faces with soft labels (n, k)."""
        rows, features = spread_rows(labels, self.per_age), list[Tensor]()
        with reported(progress, "Computing the features of every age", len(rows)):
            for some in rows.split(BATCH):
                features.append(self.tower.features(faces.pictures(some).to(device)).cpu())
                for _ in some:
                    progress.advance()
        reliability = torch.from_numpy(faces.reliability)[rows]
        try:
            self.ages = AgePrototypes.of(torch.cat(features), labels[rows], reliability).to(device)
        except ValueError as error:
            raise InputError(f"the image tower has no faces to compare: {error}") from None

    def terms(self, aged: Tensor, photo: Tensor, batch: Batch) -> dict[str, Term]:
        """The losses of aged portraits (b, 3, s, s) of photographs."""
        assert self.ages is not None
        loss = self.loss
        with torch.autocast(aged.device.type, enabled=False):
            with torch.no_grad():
                before = self.tower.features(photo)
            after, terms = self.tower.features(aged), dict[str, Term]()
            if loss.direction:
                direction, weight = self.ages.directions(batch["label"], batch["target_label"])
                value = directional_loss(before, after, direction, weight)
                terms["direction"] = Term(value, loss.direction)
            if loss.attributes:
                value = attribute_loss(before, after, self.ages)
                terms["attributes"] = Term(value, loss.attributes)
            return terms


def spread_rows(labels: Tensor, most: int) -> Tensor:
    """Rows of labels (n, k): at most `most` of each likeliest class, evenly over its faces."""
    classes = labels.argmax(dim=1)
    chosen: list[Tensor] = []
    for one in range(labels.shape[1]):
        own = (classes == one).nonzero().flatten()
        count = min(most, len(own))
        chosen.append(own[torch.arange(count) * len(own) // max(count, 1)])
    return torch.cat(chosen).sort().values
