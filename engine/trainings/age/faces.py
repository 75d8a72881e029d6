"""Labelled photographs for age networks: a folder with ages, or with the labels of `tm relabel`."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from engine.core.progress import Progress
from engine.data.labelled import LabelledFaces
from engine.training.photos import read_photos
from engine.trainings.agetransformer.labelled import FolderFaces
from engine.trainings.predictions import AgedPictures


@dataclass(frozen=True, slots=True, eq=False)
class _Labelled:
    """Faces with labels as pictures with ages."""

    faces: LabelledFaces

    def __len__(self) -> int:
        return len(self.faces)

    @property
    def ages(self) -> np.ndarray:
        return self.faces.ages

    def tensor(self, rows: Sequence[int] | Tensor) -> Tensor:
        indices = rows if isinstance(rows, Tensor) else torch.tensor(list(rows))
        return self.faces.pictures(indices)


def read_faces(
    folder: Path, labels: Path | None, size: int, progress: Progress
) -> tuple[AgedPictures, AgedPictures]:
    """The faces to learn from and those held out, aligned, of `size` px; InputError if none is.

    labels: what `tm relabel` wrote for them; without it, ages of the manifest or of the names.
    """
    if labels is None:
        split = read_photos(folder, size, progress)
        return split.train, split.test
    train, test = (
        FolderFaces(folder, side, size, labels).load(progress) for side in ("train", "test")
    )
    return _Labelled(train), _Labelled(test)
