"""What an AgeTransformer is given at a step: faces, the ages asked for, and labels."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from engine.data.anchors import Anchors
from engine.data.label_curriculum import LabelCurriculum
from engine.data.labelled import LabelledFaces
from engine.training.task import Batch, StepContext
from engine.trainings.agetransformer.captions import FaceCaptions


@dataclass(frozen=True, slots=True, eq=False)
class AgeDraws:
    """Batches of labelled faces.

    photo: (b, 3, s, s); own, asked: anchor weights (b, k) and (b, ages, k); source_age: (b,) and
    target_age: (b, ages) in years; label, aim_label: soft bins (b, k) of the photograph and of the
    first age asked for; sure: (b,) reliability of the discriminator's labels; truth: (b, ages, 3,
    s, s) where it is known; captions: (b, 2 d + 1) where there are some, zeros for a share of them.
    """

    faces: LabelledFaces
    anchors: Anchors
    curriculum: LabelCurriculum
    labels: Tensor
    captions: FaceCaptions | None = None
    withheld: float = 0.0

    @classmethod
    def of(
        cls,
        faces: LabelledFaces,
        anchors: Anchors,
        curriculum: LabelCurriculum,
        captions: FaceCaptions | None = None,
        *,
        withheld: float = 0.0,
    ) -> "AgeDraws":
        """With the labels of all faces, computed once."""
        labels = faces.labels(anchors)
        return cls(faces, anchors, curriculum, labels, captions, withheld)

    def batch(self, context: StepContext, batch: int) -> Batch:
        """The examples of a step."""
        return self._known(context, batch) if self.faces.per_scene > 1 else self._labelled(context)

    def _known(self, context: StepContext, batch: int) -> Batch:
        """Photographs with their truths at all known ages, the first at another age."""
        draws, faces, each = context.draws, self.faces, self.faces.per_scene
        first = draws.shuffled(len(faces) // each, batch=batch) * each
        source = draws.integers("source", 0, each)
        away = draws.integers("away", 1, each)
        order = (source + away)[:, None] + torch.arange(each)
        rows, aims = first + source, first[:, None] + order % each
        ages = torch.from_numpy(faces.ages)[aims]
        asked = self.anchors.weights(ages)
        return self._about(rows) | {
            "truth": faces.pictures(aims.flatten()).unflatten(0, aims.shape),
            "target_age": ages,
            "asked": asked,
            "aim_label": asked[:, 0],  # known to the year, which says more than its bin
        }

    def _labelled(self, context: StepContext) -> Batch:
        """Photographs by their odds, each to an anchor other than its own, and to its own age."""
        draws, faces, classes = context.draws, self.faces, len(self.anchors)
        own = self.labels.argmax(dim=1)
        odds = self.curriculum.odds(context.step, faces.spread, own.numpy())
        rows = torch.from_numpy(
            np.searchsorted(odds.cumsum(), draws.uniform("face").double().numpy())
        ).clamp(max=len(faces) - 1)
        target = draws.integers("target", 0, classes - 1)
        target = target + (target >= own[rows])
        about = self._about(rows)
        mirrored = draws.uniform("mirror") < 0.5
        photo = about["photo"]
        aim = torch.eye(classes)[target]
        years = torch.tensor(self.anchors.years)[target]
        if self.captions is not None:
            given = draws.uniform("caption") >= self.withheld
            about["captions"] = self.captions.at(rows) * given[:, None]
        return about | {
            "photo": torch.where(mirrored[:, None, None, None], photo.flip(3), photo),
            "target_age": torch.stack([years, about["source_age"]], dim=1),
            "asked": torch.stack([aim, about["own"]], dim=1),
            "aim_label": aim,
        }

    def _about(self, rows: Tensor) -> dict[str, Tensor]:
        faces = self.faces
        ages = torch.from_numpy(faces.ages)[rows]
        return {
            "photo": faces.pictures(rows),
            "own": self.anchors.weights(ages),
            "label": self.labels[rows],
            "sure": torch.from_numpy(faces.reliability)[rows],
            "source_age": ages,
        }
