"""Portraits with a share of landscapes, for networks that have to work on both worlds."""

from dataclasses import dataclass
from typing import Self

import torch
from pydantic import Field, model_validator
from torch import Tensor

from engine.core.progress import Progress
from engine.core.table import Table, fault_of
from engine.data.landscapes import Landscapes, WorldPlan
from engine.data.landscapes import rendered as rendered_landscapes
from engine.data.portraits import PortraitData, PortraitPlan, PortraitSet, rendered
from engine.runtime.draws import Draws


class LandscapeShare(Table):
    """Landscapes among the portraits, of the same size."""

    train: WorldPlan
    validation: WorldPlan
    share: float = Field(default=0.3, gt=0, lt=1)
    """Share of landscapes in a batch."""


class MixedData(PortraitData):
    """Portraits, and landscapes if there are any."""

    landscapes: LandscapeShare | None = None

    @model_validator(mode="after")
    def _same_size(self) -> Self:
        share = self.landscapes
        if share and not share.train.size == share.validation.size == self.train.size:
            raise fault_of("`train.size` and the sizes of `landscapes` differ")
        return self


@dataclass(frozen=True, slots=True, eq=False)
class CleanPictures:
    """The pictures of the training side: portraits, and a share of landscapes if there are any."""

    portraits: PortraitSet
    landscapes: Landscapes | None
    share: float

    @classmethod
    def rendered(
        cls, plan: PortraitPlan, share: LandscapeShare | None, progress: Progress
    ) -> "CleanPictures":
        """Both sets from the cache folder, or rendered into it now."""
        portraits = rendered(plan, progress)
        if share is None:
            return cls(portraits, None, 0.0)
        return cls(portraits, rendered_landscapes(share.train, progress), share.share)

    def batch(self, draws: Draws, *, batch: int) -> Tensor:
        """Pictures (b, 3, s, s) in [-1, 1] for one step."""
        portraits = self.portraits.tensor(draws.shuffled(len(self.portraits), batch=batch))
        if self.landscapes is None:
            return portraits
        # The names of these draws seed them: another name would be another training.
        others = self.landscapes.tensor(draws.integers("scape", 0, len(self.landscapes)))
        chosen = draws.uniform("outside") < self.share
        return torch.where(chosen[:, None, None, None], others, portraits)
