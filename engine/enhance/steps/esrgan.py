"""Enlarging: Real-ESRGAN, ESRGAN, Compact, and whatever else spandrel knows of their kind."""

import math
from typing import Any, ClassVar, Literal

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from engine.core.errors import UsageError
from engine.data.domains import Domain
from engine.enhance.base import ENHANCERS, Made, StepChoice
from engine.enhance.models import Model
from engine.images.raster import Raster, enlarged_plane
from engine.images.tiles import Tiling, tiled
from engine.runtime.memory import free_memory, is_out_of_memory
from engine.weights.folder import instructions_for
from engine.weights.manifest import known_weights

LARGEST, SMALLEST, MULTIPLE = 512, 32, 16
SHARE = 0.25
"""Of the memory that is free, what one tile may take."""
PROBE = 32
KEPT = 3
"""Maps that live at once, in units of the largest: what goes into a layer, comes out, is added."""
DOUBLE = 2
"""What `nano-x2` and `realesrgan-x2` enlarge by."""
DEFAULT_PER_PIXEL = 4_000
"""Bytes a pixel where they cannot be counted: those of Real-ESRGAN x4 in float32."""


@ENHANCERS.register("esrgan")
class EsrganChoice(StepChoice):
    """Enlarge in tiles."""

    kind: Literal["esrgan"] = "esrgan"
    published: ClassVar[tuple[str, ...]] = ("realesrgan-x2", "realesrgan-x4")
    shipped: ClassVar[str] = "nano-x2"
    packaged: ClassVar[str | None] = "realesrgan-x4-ncnn"
    outscale: int | None = Field(default=None, ge=1, le=8)
    """How many times larger the result is: a divisor of the network's own scale. If absent that
    scale, but 2 where the weights are those of the extra `photos`, as with the networks that these
    stand beside."""
    tile: int | None = Field(default=None, ge=SMALLEST)
    """Side in px of the input of a square that holds as much as a tile may, which is cut to the
    picture; by the memory that is free if absent."""
    pad: int = Field(default=16, ge=0)
    """Context around a tile that is thrown away again."""
    feather: int = Field(default=8, ge=0)
    """Width of the strip in which neighbouring tiles blend."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """`bfloat16` is faster where the processor has it; pixels move by half a level in the mean."""

    @property
    def candidates(self) -> tuple[str, ...]:
        return self.published if self._doubled_at_most else self.published[1:]

    def uses_package(self, domain: Domain) -> bool:
        return domain == "photos" or not self._doubled_at_most

    @property
    def _doubled_at_most(self) -> bool:
        """Whether a network that doubles reaches the scale."""
        return self.outscale in (None, 1, DOUBLE)

    def build(self, model: Model, device: torch.device) -> "Esrgan":
        scale = self.outscale
        if scale is None:
            packaged = self.weights is None and model.name == self.packaged
            scale = DOUBLE if packaged else model.scale
        if model.scale % scale:
            better = instructions_for(known_weights()["realesrgan-x4-ncnn"])
            raise UsageError(
                f"`{model.name}` enlarges {model.scale} times, of which {scale} is no divisor",
                hint=better
                if model.stand_in
                else "choose 1, 2 or 4 as it allows, or other weights",
            )
        if model.size is not None or model.architecture in ("DDColor", "NanoColour"):
            raise UsageError(f"`{model.name}` is a {model.architecture}, which enlarges nothing")
        return Esrgan(self, model, scale, device)


class Esrgan:
    """A network over tiles, its result reduced to the scale of the recipe."""

    def __init__(
        self, choice: EsrganChoice, model: Model, scale: int, device: torch.device
    ) -> None:
        self.choice, self.model, self.scale, self.device = choice, model, scale, device
        self._tile: int | None = choice.tile
        if device.type == "cpu":  # a sixth to a third faster, a quarter less memory
            model.net.to(memory_format=torch.channels_last)

    def declines(self, picture: Raster, domain: Domain, *, force: bool) -> str | None:
        return None

    @torch.inference_mode()
    def apply(self, picture: Raster, used: dict[str, Any] | None = None) -> Made:
        tile = self.tile if used is None else int(used["tile"])
        side = -(-(math.isqrt(picture.width * picture.height - 1) + 1) // MULTIPLE) * MULTIPLE
        tile = min(tile, max(side, SMALLEST))
        height, width = picture.height * self.scale, picture.width * self.scale
        pixels = np.zeros((height, width, 3), picture.pixels.dtype)
        while True:
            feather = min(self.choice.feather, tile // 4)
            tiling = Tiling.of_side(tile, self.choice.pad, feather)
            try:
                tiled(picture.pixels, pixels, self._enlarge, tiling)
                break
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                if tile <= SMALLEST:
                    raise MemoryError(f"a tile of {tile} px does not fit into memory") from error
                tile = self._tile = max(tile // 2, SMALLEST)
                if torch.cuda.is_available():
                    torch.cuda.empty_cache()
        alpha = None if picture.alpha is None else enlarged_plane(picture.alpha, self.scale)
        return Made(Raster(pixels, alpha), {"tile": tile})

    @property
    def tile(self) -> int:
        """Side of a tile in px: the recipe's, else what a quarter of the free memory allows."""
        if self._tile is None:
            free = free_memory(self.device)
            self._tile = LARGEST if free is None else tile_for(
                int(free * SHARE), bytes_per_pixel(self.model.net, self.device), self.choice.pad
            )  # fmt: skip
        return self._tile

    def _enlarge(self, tile: Tensor) -> Tensor:
        given = (tile.to(self.device) + 1) / 2
        if self.device.type == "cpu":
            given = given.to(memory_format=torch.channels_last)
        half = self.choice.precision == "bfloat16"
        with torch.autocast(self.device.type, torch.bfloat16, enabled=half):
            made = self.model.net(given).float()
        if self.scale < self.model.scale:
            made = F.avg_pool2d(made, self.model.scale // self.scale)
        return made * 2 - 1


def tile_for(budget: int, per_pixel: int, pad: int) -> int:
    """The largest tile whose maps fit into `budget` bytes, a multiple of 16 in 32..512."""
    side = int((budget / per_pixel) ** 0.5) - 2 * pad
    return min(max(side // MULTIPLE * MULTIPLE, SMALLEST), LARGEST)


@torch.inference_mode()
def bytes_per_pixel(net: nn.Module, device: torch.device) -> int:
    """Bytes that a network's maps take for each pixel of its input, counted on a small one."""
    largest = 0

    def count(_: nn.Module, given: tuple[Any, ...], made: Any) -> None:
        nonlocal largest
        maps = [value for value in (*given, made) if isinstance(value, Tensor)]
        largest = max(largest, *(value.numel() * value.element_size() for value in maps), 0)

    hooks = [module.register_forward_hook(count) for module in net.modules()]
    try:
        net(torch.zeros(1, 3, PROBE, PROBE, device=device))
    finally:
        for hook in hooks:
            hook.remove()
    return max(KEPT * largest // PROBE**2, 1) if largest else DEFAULT_PER_PIXEL
