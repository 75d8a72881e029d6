"""MiVOLO: a transformer on face, or on face and body, to one number (Kuprashevich 2023)."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from pydantic import Field
from torch import Tensor

from engine.core.digest import file_sha256
from engine.experts.base import EXPERTS, AgePrediction, Expert, ExpertTable, Faces
from engine.nets.loading import frozen
from engine.weights.load import read_checkpoint

if TYPE_CHECKING:
    from engine.nets.age.mivolo import AgeScale, MiVolo

CONFIDENCE_SCALE = 5.0
"""Years of spread over the views at which confidence has fallen to 1/e."""
MIRRORED = 1
"""Index of the mirrored view."""


@EXPERTS.register("mivolo")
class MiVoloTable(ExpertTable):
    """Photographs; RGB at the network's size, bilinear, ImageNet's mean and deviation.

    The crop is letterboxed onto black *before* normalisation, so an unknown body is -mean/deviation
    (MiVOLO's `prepare_classification_images`). Aligned faces are square already.
    """

    domain = "photos"
    preprocessing = "aligned face at 224 or 384 px, RGB, ImageNet normalisation"
    bodies = True
    kind: Literal["mivolo"] = "mivolo"
    weights: str = "mivolo"
    crop: float = Field(default=0.05, ge=0, lt=0.5)
    """Share of the side that the views are cropped by; the spread is that over the views."""

    def load(self, device: torch.device) -> Expert:
        # With it come timm and torchvision, which take seconds to import.
        from engine.nets.age.mivolo import mivolo_of

        path = self.path()
        net, scale = mivolo_of(read_checkpoint(path))
        return MiVoloExpert(frozen(net).to(device), scale, file_sha256(path), self.crop)


@dataclass(frozen=True, slots=True, eq=False)
class MiVoloExpert:
    """The mean over four views: plain, mirrored, cropped closer, and padded."""

    net: "MiVolo"
    scale: "AgeScale"
    digest: str
    crop: float = 0.05

    def predict(self, faces: Faces) -> AgePrediction:
        size = self.net.spec.size
        device = next(self.net.parameters()).device
        pictures = faces.at(size).to(device)
        bodies = faces.bodies_at(size).to(device) if self.net.spec.with_body else None
        ages: list[Tensor] = []
        for number, view in enumerate(views(pictures, self.crop)):
            own = bodies.flip(3) if bodies is not None and number == MIRRORED else bodies
            ages.append(self.net.age(view, self.scale, own))
        years = torch.stack(ages).float().cpu()
        spread = years.std(dim=0)
        return AgePrediction(years.mean(dim=0), spread, (-spread / CONFIDENCE_SCALE).exp())


def views(faces: Tensor, crop: float) -> list[Tensor]:
    """Faces (b, 3, s, s) plain, mirrored, cropped by `crop` of the side, and padded by it.

    Without a crop only the first two.
    """
    if crop == 0:
        return [faces, faces.flip(3)]
    size = faces.shape[3]
    margin = round(size * crop)
    closer = faces[:, :, margin : size - margin, margin : size - margin]
    further = torch.nn.functional.pad(faces, (margin,) * 4, mode="replicate")
    resized = [
        torch.nn.functional.interpolate(view, size=(size, size), mode="bilinear", antialias=True)
        for view in (closer, further)
    ]
    return [faces, faces.flip(3), *resized]
