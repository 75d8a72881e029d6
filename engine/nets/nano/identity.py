"""The nano identity network: portraits to embeddings of unit length."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import torch.nn.functional as F
from torch import Tensor, nn

from engine.core.errors import WeightsError
from engine.nets.loading import built
from engine.nets.nano.trunk import Gather, Trunk, resized, widths_of


@dataclass(frozen=True, slots=True)
class IdentitySpec:
    """Input size in px, embedding width, widths of the trunk's stages."""

    size: int = 96
    embedding: int = 128
    widths: tuple[int, ...] = (32, 64, 96, 160)

    @classmethod
    def of(cls, state: Mapping[str, Tensor]) -> Self:
        """Read the shape off a state dict."""
        widths = widths_of(state, name="a nano identity network")
        if "embed.weight" not in state:
            raise WeightsError("`embed.weight` is missing: this is no nano identity network")
        side = state["gather.weight"].shape[1]
        return cls(side * 2 ** len(widths), state["embed.weight"].shape[0], widths)


class NanoIdentity(nn.Module):
    """Portraits (b, 3, h, w) in [-1, 1] to unit vectors (b, 128); the cosine compares people."""

    def __init__(self, spec: IdentitySpec | None = None) -> None:
        super().__init__()
        self.spec = spec = IdentitySpec() if spec is None else spec
        last = spec.widths[-1]
        self.trunk = Trunk(spec.widths)
        self.gather = Gather(last, spec.size // 2 ** len(spec.widths))
        self.norm = nn.BatchNorm1d(last)
        self.embed = nn.Linear(last, spec.embedding, bias=False)
        self.centre = nn.BatchNorm1d(spec.embedding)

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> Self:
        """The network that a state dict describes, holding its tensors."""
        spec = IdentitySpec.of(state)
        return built(lambda: cls(spec), state, name="a nano identity network")

    def features(self, portrait: Tensor) -> tuple[Tensor, ...]:
        """The maps of the stages, finest first."""
        return self.trunk(resized(portrait, self.spec.size))

    def forward(self, portrait: Tensor) -> Tensor:
        pooled = self.norm(self.gather(self.features(portrait)[-1]))
        return F.normalize(self.centre(self.embed(pooled)).float(), dim=1)
