from typing import ClassVar, Literal

import torch
from pydantic import Field, field_validator
from torch import Tensor

from engine.core.numbers import Real
from engine.losses.face.base import FACE_LOSSES, Each, FaceLoss
from engine.losses.face.context import given
from engine.losses.face.inputs import Direction, LossInputs
from engine.losses.face.regions import Region, crops, region_boxes


@FACE_LOSSES.register("roi_id")
class RoiId(FaceLoss):
    """Keep eyes, mouth, nose and brows the person's own: 1 - cosine of the same crops of both.

    The mean over samples and regions. The boxes are the photo's, shaken alike for both pictures:
    what stands elsewhere in the picture made is a difference that should count.
    """

    kind: Literal["roi_id"] = "roi_id"
    on: tuple[Direction, ...] = ("real",)
    regions: tuple[Region, ...] = ("eyes", "mouth", "nose", "brows")
    size: int = Field(default=112, ge=8)
    """Side in px of a crop."""
    pad: Real = Field(default=0.35, ge=0)
    """How much larger a box is than its feature."""
    jitter: Real = Field(default=0.08, ge=0, lt=1)
    """How far a box moves and grows or shrinks at random, in shares of its side."""
    needs: ClassVar[frozenset[str]] = frozenset({"identity_net"})

    @field_validator("regions")
    @classmethod
    def _some(cls, regions: tuple[Region, ...]) -> tuple[Region, ...]:
        if not regions or len(set(regions)) < len(regions):
            raise ValueError("name each region once, and at least one")
        return regions

    def each(self, trial: LossInputs) -> Each:
        identity_net = given(trial.parts.identity_net, "identity_net")
        boxes = self.boxes(trial)
        with torch.no_grad():
            photo = identity_net.embed_crops(crops(trial.source, boxes, self.size)).float()
        made = identity_net.embed_crops(crops(trial.output, boxes, self.size)).float()
        cosine = (made * photo).sum(dim=1).view(-1, len(self.regions))
        told = {region: cosine[:, i] for i, region in enumerate(self.regions)}
        return Each((1 - cosine).mean(dim=1), told)

    def boxes(self, trial: LossInputs) -> Tensor:
        """Boxes (b, r, 4) of this step, in px of either picture."""
        shake = [
            trial.draws.uniform(f"roi/{trial.direction}/{region}", 3, low=-1, high=1)
            for region in self.regions
        ]
        return region_boxes(
            trial.source_points(),
            self.regions,
            trial.size,
            pad=self.pad,
            shake=self.jitter
            * torch.stack(shake, dim=1).to(trial.source.device, non_blocking=True),
        )
