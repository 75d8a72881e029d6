from typing import ClassVar, Literal

import torch
from pydantic import Field, field_validator
from torch import Tensor

from engine.core.numbers import Real
from engine.losses.face.base import FACE_LOSSES, FaceLoss, PerSample
from engine.losses.face.context import required
from engine.losses.face.inputs import Direction, LossInputs
from engine.losses.face.regions import Region, crops, region_boxes


@FACE_LOSSES.register("roi_id")
class RoiId(FaceLoss):
    """Keep the person's eyes, mouth, nose and brows: 1 - cosine of the same crops of both pictures.

    The mean over samples and regions; `roi_pairs_<region>` counts the pairs of crops whose box is
    that of landmarks, not the usual one. The boxes are those of the photo, with the same jitter for
    the output, so that a feature that has moved counts as a difference.
    """

    kind: Literal["roi_id"] = "roi_id"
    on: tuple[Direction, ...] = ("real",)
    regions: tuple[Region, ...] = ("eyes", "mouth", "nose", "brows")
    """Which features; each costs a pass of the identity network."""
    size: int = Field(default=112, ge=8)
    """Side of a crop in px."""
    pad: Real = Field(default=0.35, ge=0)
    """How much larger a box is than its feature."""
    jitter: Real = Field(default=0.08, ge=0, lt=1)
    """Largest random shift and scaling of a box, as a share of its side."""
    needs: ClassVar[frozenset[str]] = frozenset({"identity"})

    @field_validator("regions")
    @classmethod
    def _some(cls, regions: tuple[Region, ...]) -> tuple[Region, ...]:
        if not regions or len(set(regions)) < len(regions):
            raise ValueError("name each region once, and at least one")
        return regions

    def per_sample(self, inputs: LossInputs) -> PerSample:
        network = required(inputs.context.identity, "identity")
        boxes = self.boxes(inputs)
        with torch.no_grad():
            photo = network.embed_crops(crops(inputs.source, boxes, self.size)).float()
        output = network.embed_crops(crops(inputs.output, boxes, self.size)).float()
        cosine = (output * photo).sum(dim=1).view(-1, len(self.regions))
        metrics = {region: cosine[:, i] for i, region in enumerate(self.regions)}
        found = inputs.source_points().isfinite().flatten(1).all(dim=1).float().sum()
        pairs = {f"roi_pairs_{region}": found for region in self.regions}
        return PerSample((1 - cosine).mean(dim=1), {**metrics, **pairs})

    def boxes(self, inputs: LossInputs) -> Tensor:
        """Boxes (b, r, 4) of this step, in px of either picture."""
        jitter = torch.stack(
            [
                inputs.draws.uniform(f"roi/{inputs.direction}/{region}", 3, low=-1, high=1)
                for region in self.regions
            ],
            dim=1,
        )
        return region_boxes(
            inputs.source_points(),
            self.regions,
            inputs.size,
            pad=self.pad,
            jitter=self.jitter * jitter.to(inputs.source.device, non_blocking=True),
        )
