"""The batches of an AgeTransformer: faces, target ages and labels."""

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
class AgeBatches:
    """Batches of labelled faces.

    photo: (b, 3, s, s); source, target: anchor weights (b, k) and (b, ages, k); source_age: (b,)
    and target_age: (b, ages) in years; label, target_label: soft bins (b, k) of the photograph and
    of the first target age; reliability: (b,) of the discriminator's labels; truth: (b, ages, 3, s,
    s) where it is known; captions: (b, 2 d + 1) if there are any, zeros for a share of them.
    """

    faces: LabelledFaces
    anchors: Anchors
    curriculum: LabelCurriculum
    labels: Tensor
    captions: FaceCaptions | None = None
    caption_dropout: float = 0.0

    @classmethod
    def of(
        cls,
        faces: LabelledFaces,
        anchors: Anchors,
        curriculum: LabelCurriculum,
        captions: FaceCaptions | None = None,
        *,
        caption_dropout: float = 0.0,
    ) -> "AgeBatches":
        """With the labels of all faces, computed once."""
        labels = faces.labels(anchors)
        return cls(faces, anchors, curriculum, labels, captions, caption_dropout)

    def batch(self, context: StepContext, batch: int) -> Batch:
        """The examples of a step."""
        return (
            self._with_truth(context, batch)
            if self.faces.per_scene > 1
            else self._labelled(context)
        )

    def _with_truth(self, context: StepContext, batch: int) -> Batch:
        """Photographs with their truths at all known ages, the first at another age."""
        draws, faces, each = context.draws, self.faces, self.faces.per_scene
        first = draws.shuffled(len(faces) // each, batch=batch) * each
        source = draws.integers("source", 0, each)
        offset = draws.integers("away", 1, each)
        order = (source + offset)[:, None] + torch.arange(each)
        rows, targets = first + source, first[:, None] + order % each
        ages = torch.from_numpy(faces.ages)[targets]
        target = self.anchors.weights(ages)
        return self._about(rows) | {
            "truth": faces.pictures(targets.flatten()).unflatten(0, targets.shape),
            "target_age": ages,
            "target": target,
            "target_label": target[:, 0],  # exact to the year, finer than its bin
        }

    def _labelled(self, context: StepContext) -> Batch:
        """Photographs sampled by the curriculum, each to another anchor and to its own age."""
        draws, faces, classes = context.draws, self.faces, len(self.anchors)
        own = self.labels.argmax(dim=1)
        odds = self.curriculum.odds(context.step, faces.spread, own.numpy())
        rows = torch.from_numpy(
            np.searchsorted(odds.cumsum(), draws.uniform("face").double().numpy())
        ).clamp(max=len(faces) - 1)
        other = draws.integers("target", 0, classes - 1)
        other = other + (other >= own[rows])
        about = self._about(rows)
        mirrored = draws.uniform("mirror") < 0.5
        photo = about["photo"]
        target = torch.eye(classes)[other]
        years = torch.tensor(self.anchors.years)[other]
        if self.captions is not None:
            given = draws.uniform("caption") >= self.caption_dropout
            about["captions"] = self.captions.at(rows) * given[:, None]
        return about | {
            "photo": torch.where(mirrored[:, None, None, None], photo.flip(3), photo),
            "target_age": torch.stack([years, about["source_age"]], dim=1),
            "target": torch.stack([target, about["source"]], dim=1),
            "target_label": target,
        }

    def _about(self, rows: Tensor) -> dict[str, Tensor]:
        faces = self.faces
        ages = torch.from_numpy(faces.ages)[rows]
        return {
            "photo": faces.pictures(rows),
            "source": self.anchors.weights(ages),
            "label": self.labels[rows],
            "reliability": torch.from_numpy(faces.reliability)[rows],
            "source_age": ages,
        }
