"""The structure evaluator: mood and kind of scene from the order of lights, used in no loss."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.core.errors import WeightsError
from engine.core.luma import REC_709
from engine.nets.loading import built
from engine.nets.nano.trunk import Trunk, widths_of

HALF = 127.5
NAME = "a structure evaluator"


def equalised(pictures: Tensor, side: int = 64) -> Tensor:
    """The ranks (b, s, s) in [-1, 1] of the luma of pictures (b, 3, h, w), at most `side` px.

    Luma is taken in 8 bits, as a file has it; equal ones have equal ranks.
    """
    unit = pictures.float()
    if unit.shape[-1] > side:
        unit = F.interpolate(unit, size=(side, side), mode="bilinear", antialias=True)
    luma = torch.einsum("c,bchw->bhw", unit.new_tensor(REC_709), unit)
    flat = (luma.flatten(1) * HALF).round()
    ordered = flat.sort(dim=1).values
    below = torch.searchsorted(ordered, flat.contiguous())
    upto = torch.searchsorted(ordered, flat.contiguous(), right=True)
    return ((below + upto).float() / flat.shape[1] - 1).view_as(luma)


class Reading(NamedTuple):
    """What structure shows: valence and arousal (b, 2) in 0..1, and logits (b, k) of the kinds."""

    va: Tensor
    kinds: Tensor


@dataclass(frozen=True, slots=True)
class StructureEvaluatorSpec:
    """Input size in px, widths of the trunk's stages, and number of kinds of scenes."""

    size: int = 64
    widths: tuple[int, ...] = (24, 48, 96, 128)
    kinds: int = 8


class StructureEvaluator(nn.Module):
    """Images (b, 3, h, w) in [-1, 1] to their mood and kind, by the ranks of their luma alone.

    A new palette, exposure or contrast leaves the ranks as they are: only what is drawn is read.
    """

    def __init__(self, spec: StructureEvaluatorSpec | None = None) -> None:
        super().__init__()
        self.spec = spec = StructureEvaluatorSpec() if spec is None else spec
        self.trunk = Trunk(spec.widths)
        self.norm = nn.BatchNorm1d(2 * spec.widths[-1])
        self.read = nn.Linear(2 * spec.widths[-1], 2 + spec.kinds)
        self.register_buffer("side", torch.tensor(spec.size))

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> Self:
        """The network that a state dict describes, holding its tensors."""
        if "read.weight" not in state or "side" not in state or len(state["read.weight"]) < 3:
            raise WeightsError(f"these are not the weights of {NAME}")
        kinds, widths = len(state["read.weight"]) - 2, widths_of(state, name=NAME)
        spec = StructureEvaluatorSpec(int(state["side"]), widths, kinds)
        return built(lambda: cls(spec), state, name=NAME)

    def forward(self, picture: Tensor) -> Reading:
        plane = equalised(picture, self.spec.size)[:, None]
        if plane.shape[-1] < self.spec.size:
            plane = F.interpolate(plane, size=(self.spec.size,) * 2, mode="bilinear")
        maps = self.trunk(plane.expand(-1, 3, -1, -1))[-1].float()
        spread = (maps.var(dim=(2, 3), correction=0) + 1e-6).sqrt()
        read = self.read(self.norm(torch.cat([maps.mean(dim=(2, 3)), spread], dim=1))).float()
        return Reading(torch.sigmoid(read[:, :2]), read[:, 2:])
