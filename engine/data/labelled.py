"""Faces with ages that may be wrong: how sure each label is, and how often it is drawn."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.core.progress import Progress
from engine.data.anchors import Anchors
from engine.data.portraits import PortraitPlan, PortraitSet, rendered
from engine.nets.nano.trunk import resized

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class LabelledFaces:
    """Pictures by row, with what is known of their ages.

    ages: (n,) in years; spread: (n,) standard deviations of the labels in years; reliability: (n,)
    in [0, 1]; rows of one photograph at `per_scene` ages stand one after another, and where that
    is more than 1, each is the truth of the others.
    """

    pictures: Callable[[Tensor], Tensor]
    """Rows (b,) to pictures (b, 3, s, s) in [-1, 1]."""
    ages: Floats
    spread: Floats
    reliability: Floats
    per_scene: int = 1
    names: tuple[str, ...] = field(default=())
    """Of the pictures, where they are files: what captions are found by."""

    def __len__(self) -> int:
        return len(self.ages)

    def labels(self, anchors: Anchors) -> Tensor:
        """Soft labels (n, k) of all faces."""
        return anchors.labels(torch.from_numpy(self.ages), torch.from_numpy(self.spread))


class FaceSource(Protocol):
    """Where labelled faces come from."""

    def load(self, progress: Progress) -> LabelledFaces:
        """Read them, or render them."""
        ...


@dataclass(frozen=True, slots=True)
class DrawnFaces:
    """The portrait world: every label is right, and every other age of a photograph is known."""

    plan: PortraitPlan
    size: int
    """Side in px that they are shrunk to."""

    def load(self, progress: Progress) -> LabelledFaces:
        """Render them, or find them rendered."""
        return of_portraits(rendered(self.plan, progress), self.size)


def of_portraits(portraits: PortraitSet, size: int) -> LabelledFaces:
    """A rendered set as labelled faces of `size` px."""
    count = len(portraits)
    return LabelledFaces(
        pictures=lambda rows: resized(portraits.tensor(rows), size),
        ages=portraits.ages,
        spread=np.zeros(count, np.float32),
        reliability=np.ones(count, np.float32),
        per_scene=portraits.plan.per_scene,
    )
