"""The nano age network: portraits to a distribution over the ages 0..100."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from torch import Tensor, nn

from engine.core.errors import WeightsError
from engine.nets.age.dex_vgg import expected_age
from engine.nets.loading import built
from engine.nets.nano.trunk import Gather, Trunk, resized, widths_of


@dataclass(frozen=True, slots=True)
class AgeSpec:
    """Input size in px, ages 0..bins-1, widths of the trunk's stages."""

    size: int = 96
    bins: int = 101
    widths: tuple[int, ...] = (32, 64, 96, 160)

    @classmethod
    def of(cls, state: Mapping[str, Tensor]) -> Self:
        """Read the shape off a state dict."""
        widths = widths_of(state, name="a nano age network")
        if "vote.weight" not in state:
            raise WeightsError("`vote.weight` is missing: this is no nano age network")
        side = state["gather.weight"].shape[1]
        return cls(side * 2 ** len(widths), state["vote.weight"].shape[0], widths)


class NanoAge(nn.Module):
    """Portraits (b, 3, h, w) in [-1, 1] to age logits (b, 101); `age` gives years."""

    def __init__(self, spec: AgeSpec | None = None) -> None:
        super().__init__()
        self.spec = spec = AgeSpec() if spec is None else spec
        last = spec.widths[-1]
        self.trunk = Trunk(spec.widths)
        self.gather = Gather(last, spec.size // 2 ** len(spec.widths))
        self.norm = nn.BatchNorm1d(last)
        self.vote = nn.Linear(last, spec.bins)

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> Self:
        """The network that a state dict describes, holding its tensors."""
        spec = AgeSpec.of(state)
        return built(lambda: cls(spec), state, name="a nano age network")

    def features(self, portrait: Tensor) -> tuple[Tensor, ...]:
        """The maps of the stages, finest first."""
        return self.trunk(resized(portrait, self.spec.size))

    def forward(self, portrait: Tensor) -> Tensor:
        return self.vote(self.norm(self.gather(self.features(portrait)[-1]))).float()

    def age(self, portrait: Tensor) -> Tensor:
        """Expected age in years (b,)."""
        return expected_age(self(portrait))
