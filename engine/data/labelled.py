"""Faces with uncertain age labels: pictures, ages, spreads, reliability."""

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
    """Pictures by row, with their age labels.

    ages: (n,) in years; spread: (n,) standard deviations of the labels in years; reliability: (n,)
    in [0, 1]; per_scene: consecutive rows that are one photograph at several ages, each the ground
    truth of the others.
    """

    pictures: Callable[[Tensor], Tensor]
    """Rows (b,) to pictures (b, 3, s, s) in [-1, 1]."""
    ages: Floats
    spread: Floats
    reliability: Floats
    per_scene: int = 1
    names: tuple[str, ...] = field(default=())
    """Paths of the pictures, where they are files: the keys of their captions."""

    def __len__(self) -> int:
        return len(self.ages)

    def labels(self, anchors: Anchors) -> Tensor:
        """Soft labels (n, k) of all faces."""
        return anchors.labels(torch.from_numpy(self.ages), torch.from_numpy(self.spread))


class FaceSource(Protocol):
    """A source of labelled faces."""

    def load(self, progress: Progress) -> LabelledFaces:
        """Read them, or render them."""
        ...


@dataclass(frozen=True, slots=True)
class DrawnFaces:
    """The portrait world: labels without error, every photograph at several ages."""

    plan: PortraitPlan
    size: int
    """Side in px of the pictures."""

    def load(self, progress: Progress) -> LabelledFaces:
        """Render them, or read them from the cache."""
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
