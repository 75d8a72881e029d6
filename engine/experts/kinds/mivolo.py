"""MiVOLO: a transformer on face, or on face and body, to one number (Kuprashevich 2023)."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from pydantic import Field
from torch import Tensor

from engine.core.digest import file_sha256
from engine.experts.base import EXPERTS, Answer, Expert, ExpertTable, Faces
from engine.nets.loading import frozen
from engine.weights.load import read_checkpoint

if TYPE_CHECKING:
    from engine.nets.age.mivolo import AgeScale, MiVolo

SURE_WITHIN = 5.0
"""Years of spread over the views at which confidence has fallen to 1/e."""
MIRRORED = 1
"""Which of the views is the mirrored one."""


@EXPERTS.register("mivolo")
class MiVoloTable(ExpertTable):
    """Photographs; RGB at the network's size, bilinear, ImageNet's mean and deviation.

    The crop is letterboxed onto black *before* normalisation, so an unknown body is -mean/deviation
    (`specs/agetransformer.md` 3.4, read from MiVOLO's own code). Aligned faces are square already.
    """

    domain = "photos"
    seen = "aligned face at 224 or 384 px, RGB, ImageNet normalisation"
    bodies = True
    kind: Literal["mivolo"] = "mivolo"
    weights: str = "mivolo"
    crop: float = Field(default=0.05, ge=0, lt=0.5)
    """Share of the side that the views are cropped by; it has no uncertainty but theirs."""

    def load(self, device: torch.device) -> Expert:
        # With it come timm and torchvision, seconds that nobody without its weights need wait for.
        from engine.nets.age.mivolo import mivolo_of

        path = self.place()
        net, scale = mivolo_of(read_checkpoint(path))
        return MiVoloExpert(frozen(net).to(device), scale, file_sha256(path), self.crop)


@dataclass(frozen=True, slots=True, eq=False)
class MiVoloExpert:
    """The mean over four views: as it is, mirrored, cropped closer, and set further back."""

    net: "MiVolo"
    scale: "AgeScale"
    digest: str
    crop: float = 0.05

    def answer(self, faces: Faces) -> Answer:
        size = self.net.spec.size
        device = next(self.net.parameters()).device
        seen = faces.at(size).to(device)
        body = faces.bodies_at(size).to(device) if self.net.spec.with_body else None
        told: list[Tensor] = []
        for number, view in enumerate(views(seen, self.crop)):
            beside = body.flip(3) if body is not None and number == MIRRORED else body
            told.append(self.net.age(view, self.scale, beside))
        years = torch.stack(told).float().cpu()
        spread = years.std(dim=0)
        return Answer(years.mean(dim=0), spread, (-spread / SURE_WITHIN).exp())


def views(faces: Tensor, crop: float) -> list[Tensor]:
    """Faces (b, 3, s, s) as they are, mirrored, cropped by `crop` of the side, and set back by it.

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
