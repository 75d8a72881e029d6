"""Restoring faces: GFPGAN 1.2 to 1.4, on aligned faces of 512 px."""

from typing import ClassVar, Literal

import torch
from torch import Tensor

from engine.core.errors import UsageError
from engine.data.domains import Domain
from engine.enhance.base import ENHANCERS, StepChoice, out_of_domain
from engine.enhance.models import Model
from engine.images.raster import Raster


@ENHANCERS.register("gfpgan")
class GfpganChoice(StepChoice):
    """Restore every face and put it back."""

    kind: Literal["gfpgan"] = "gfpgan"
    published: ClassVar[tuple[str, ...]] = ("gfpgan", "gfpgan-1.3")
    shipped: ClassVar[str] = "nano-face"

    def build(self, model: Model, device: torch.device) -> "Gfpgan":
        if model.architecture not in ("GFPGAN", "NanoFace"):
            raise UsageError(f"`{model.name}` is a {model.architecture}, which restores no faces")
        return Gfpgan(model, device)


class Gfpgan:
    """A face restorer, deterministic."""

    def __init__(self, model: Model, device: torch.device) -> None:
        assert model.size is not None
        self.model, self.side, self.device = model, model.size, device

    def declines(self, picture: Raster, domain: Domain, *, force: bool) -> str | None:
        return out_of_domain(self.model, domain, force=force)

    @torch.inference_mode()
    def restore(self, face: Tensor) -> Tensor:
        face = face.to(self.device)
        if self.model.architecture == "GFPGAN":
            # In and out are [-1, 1]; its noise would make every run another picture.
            made = self.model.net(face, return_rgb=False, randomize_noise=False)[0]
        else:
            made = self.model.net(face)
        return made.float().cpu().clamp(-1, 1)
