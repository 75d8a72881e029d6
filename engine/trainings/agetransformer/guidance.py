"""What a vision-language model adds to the training of an AgeTransformer.

Three uses, each off unless a recipe asks (`specs/agetransformer.md` 1.10): captions guide the
style, and an image tower tells whether a face moved along the way between two ages, and in nothing
else.
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

TOGETHER = 16
"""Pictures that a tower looks at at once."""


class VlmGuidance(Table):
    """Where captions and the image tower come from; the weights of its losses are in `[loss]`."""

    captions: str | None = None
    """Folder that `tm relabel --captions` wrote of the faces; a face without one is not guided."""
    withheld: Real = Field(default=0.5, ge=0, lt=1)
    """Share of the faces of a step whose caption is withheld: validation and `tm infer` know none,
    and the network has to do without."""
    tower: str | None = None
    """Whose image tower judges: `janus-pro-1b`, `janus-pro-7b`, or the folder of one."""
    per_age: int = Field(default=500, ge=1)
    """Faces of each age, at most, whose features make its mean."""


@dataclass(slots=True, eq=False)
class TowerJudge:
    """An image tower with the mean features of every age; both losses need them settled first.

    direction, attributes: weights of the losses, 0 for none.
    """

    tower: ImageTower
    direction: float
    attributes: float
    per_age: int
    ages: AgePrototypes | None = None

    @torch.no_grad()
    def precompute(
        self, faces: LabelledFaces, labels: Tensor, device: torch.device, progress: Progress
    ) -> None:
        """Take the mean features of every age from labelled faces, by soft labels (n, k)."""
        rows, features = spread_rows(labels, self.per_age), list[Tensor]()
        with reported(progress, "Looking at every age", len(rows)):
            for some in rows.split(TOGETHER):
                features.append(self.tower.features(faces.pictures(some).to(device)).cpu())
                for _ in some:
                    progress.advance()
        sure = torch.from_numpy(faces.reliability)[rows]
        try:
            self.ages = AgePrototypes.of(torch.cat(features), labels[rows], sure).to(device)
        except ValueError as error:
            raise InputError(f"the image tower has nothing to compare: {error}") from None

    def terms(self, aged: Tensor, photo: Tensor, batch: Batch) -> dict[str, Term]:
        """What aged portraits (b, 3, s, s) of photographs lack."""
        assert self.ages is not None
        with torch.autocast(aged.device.type, enabled=False):
            with torch.no_grad():
                before = self.tower.features(photo)
            after, terms = self.tower.features(aged), dict[str, Term]()
            if self.direction:
                way, sure = self.ages.directions(batch["label"], batch["aim_label"])
                terms["direction"] = Term(
                    directional_loss(before, after, way, sure), self.direction
                )
            if self.attributes:
                kept = attribute_loss(before, after, self.ages)
                terms["attributes"] = Term(kept, self.attributes)
            return terms


def spread_rows(labels: Tensor, most: int) -> Tensor:
    """Rows of labels (n, k): at most so many of each likeliest class, evenly over its faces."""
    classes = labels.argmax(dim=1)
    chosen: list[Tensor] = []
    for one in range(labels.shape[1]):
        own = (classes == one).nonzero().flatten()
        count = min(most, len(own))
        chosen.append(own[torch.arange(count) * len(own) // max(count, 1)])
    return torch.cat(chosen).sort().values
