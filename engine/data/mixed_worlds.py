"""Portraits to learn from, with landscapes among them where a network is to know both worlds."""

from dataclasses import dataclass

import torch
from pydantic import Field
from torch import Tensor

from engine.core.progress import Progress
from engine.core.table import Table, fault_of
from engine.data.landscapes import Landscapes, WorldPlan
from engine.data.landscapes import rendered as rendered_landscapes
from engine.data.portraits import PortraitPlan, PortraitSet, rendered
from engine.runtime.draws import Draws


class LandscapeShare(Table):
    """Landscapes among the portraits, of the same size."""

    learn: WorldPlan
    check: WorldPlan
    share: float = Field(default=0.3, gt=0, lt=1)
    """Of the pictures that are learned from."""


def require_size(scapes: LandscapeShare | None, size: int) -> None:
    """A fault of the recipe where landscapes and portraits differ in their side, in px."""
    if scapes is not None and not scapes.learn.size == scapes.check.size == size:
        raise fault_of("`scapes.learn.size`, `scapes.check.size` and `learn.size` differ")


@dataclass(frozen=True, slots=True, eq=False)
class CleanPictures:
    """What is learned from: portraits, and a share of landscapes if there are any."""

    portraits: PortraitSet
    scapes: Landscapes | None
    share: float

    @classmethod
    def rendered(
        cls, plan: PortraitPlan, scapes: LandscapeShare | None, progress: Progress
    ) -> "CleanPictures":
        """Render both, or find them rendered."""
        portraits = rendered(plan, progress)
        if scapes is None:
            return cls(portraits, None, 0.0)
        return cls(portraits, rendered_landscapes(scapes.learn, progress), scapes.share)

    def drawn(self, draws: Draws, *, batch: int) -> Tensor:
        """Pictures (b, 3, s, s) in [-1, 1] for one step."""
        portraits = self.portraits.tensor(draws.shuffled(len(self.portraits), batch=batch))
        if self.scapes is None:
            return portraits
        others = self.scapes.tensor(draws.integers("scape", 0, len(self.scapes)))
        outside = draws.uniform("outside") < self.share
        return torch.where(outside[:, None, None, None], others, portraits)
