"""Colouring: DDColor, over the picture's own light."""

from typing import Any, ClassVar, Literal

import torch
from pydantic import Field

from engine.core.errors import UsageError
from engine.data.domains import Domain
from engine.enhance.base import ENHANCERS, Made, StepChoice, out_of_domain
from engine.enhance.colour import gray_square, lay_colours, own_colour
from engine.enhance.models import Model
from engine.images.raster import Raster

SIDE = 512
"""Input side of DDColor's published pipeline; spandrel assumes 256."""


@ENHANCERS.register("ddcolor")
class DdcolorChoice(StepChoice):
    """Give grey pictures colours."""

    kind: Literal["ddcolor"] = "ddcolor"
    published: ClassVar[tuple[str, ...]] = ("ddcolor", "ddcolor-tiny")
    shipped: ClassVar[str] = "nano-colour"
    colours: ClassVar[bool] = True
    gray: float = Field(default=4.0, ge=0)
    """Chroma up to which a picture counts as grey or toned; others keep their colours."""
    always: bool = False
    """Recolour pictures that have colours, too."""
    gain: float = Field(default=1.0, ge=0, le=3)
    """What the network's colours are multiplied by."""
    side: int = Field(default=SIDE, ge=64, le=2048)
    """Side of the input square of DDColor."""

    def build(self, model: Model, device: torch.device) -> "Ddcolor":
        if model.architecture not in ("DDColor", "NanoColour"):
            raise UsageError(f"`{model.name}` is a {model.architecture}, which colours nothing")
        return Ddcolor(self, model, device)


class Ddcolor:
    """Predicts a and b at one size and lays them over the full L."""

    scale = 1

    def __init__(self, choice: DdcolorChoice, model: Model, device: torch.device) -> None:
        self.choice, self.model, self.device = choice, model, device
        self.side = choice.side if model.size is None else model.size
        if model.architecture == "DDColor":
            net: Any = model.net
            net.input_size = (self.side, self.side)

    def declines(self, picture: Raster, domain: Domain, *, force: bool) -> str | None:
        chroma = own_colour(picture)
        if chroma > self.choice.gray and not self.choice.always:
            return f"has colours already (chroma {chroma:.1f}, grey is up to {self.choice.gray:g})"
        # The nano network would put the colours of a face into any picture.
        return out_of_domain(self.model, domain, force=force)

    @torch.inference_mode()
    def apply(self, picture: Raster, used: dict[str, Any] | None = None) -> Made:
        square = gray_square(picture, self.side).to(self.device)
        if self.model.architecture == "DDColor":
            square = (square + 1) / 2  # it normalises by ImageNet's statistics itself
        ab = self.model.net(square).float().cpu()
        return Made(lay_colours(picture, ab, self.choice.gain))
