"""The nano age transformer: attention over patches of the face to a mean age and its variance."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.core.errors import WeightsError
from engine.nets.loading import built
from engine.nets.nano.trunk import resized

PATCH = 8  # px of one token
MIDDLE, UNIT = 50.0, 25.0  # years
LOG_VARIANCE_LIMIT = 10.0  # beyond which the exponential would overflow or vanish


@dataclass(frozen=True, slots=True)
class AgeTokensSpec:
    """Input size in px, width of a token, attention blocks, heads of each."""

    size: int = 96
    width: int = 96
    depth: int = 3
    heads: int = 4

    @classmethod
    def of(cls, state: Mapping[str, Tensor], *, heads: int = 4) -> Self:
        """Read the shape off a state dict; heads leave no trace in it."""
        try:
            count, width = state["places"].shape[1:]
        except (KeyError, ValueError) as error:
            raise WeightsError("these are no weights of a nano age transformer") from error
        depth = 0
        while f"blocks.{depth}.mix.weight" in state:
            depth += 1
        return cls(round(count**0.5) * PATCH, width, depth, heads)


class Block(nn.Module):
    """Self-attention, then a hidden layer, each beside a shortcut (Dosovitskiy et al. 2021)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm_1, self.norm_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.ask = nn.Linear(width, 3 * width)
        self.mix = nn.Linear(width, width)
        self.hidden, self.out = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        qkv = self.ask(self.norm_1(x)).unflatten(2, (3, self.heads, -1))
        query, key, value = qkv.permute(2, 0, 3, 1, 4)
        # Written out: on a CPU torch's fused attention is four times slower to train.
        attention = (query * query.shape[-1] ** -0.5 @ key.transpose(2, 3)).softmax(dim=3)
        attended = attention @ value
        x = x + self.mix(attended.transpose(1, 2).flatten(2))
        return x + self.out(F.gelu(self.hidden(self.norm_2(x))))


class NanoAgeTokens(nn.Module):
    """Portraits (b, 3, h, w) in [-1, 1] to (b, 2): mean age in units of 25 years about 50, and
    the logarithm of its variance in the same units (Nix and Weigend 1994).
    """

    def __init__(self, spec: AgeTokensSpec | None = None) -> None:
        super().__init__()
        self.spec = spec = AgeTokensSpec() if spec is None else spec
        half = 2 * spec.width // 3
        # Convolutions before attention: transformers learn from few pictures only with them
        # (Xiao et al. 2021).
        self.stem = nn.Sequential(
            nn.PixelUnshuffle(PATCH // 2),
            nn.Conv2d(3 * (PATCH // 2) ** 2, half, 3, padding=1, bias=False),
            nn.BatchNorm2d(half),
            nn.ReLU(inplace=True),
            nn.Conv2d(half, spec.width, 3, stride=2, padding=1),
        )
        self.places = nn.Parameter(torch.randn(1, (spec.size // PATCH) ** 2, spec.width) * 0.02)
        self.blocks = nn.ModuleList(Block(spec.width, spec.heads) for _ in range(spec.depth))
        self.norm = nn.LayerNorm(spec.width)
        self.look = nn.Linear(spec.width, 1)
        self.vote = nn.Linear(spec.width, 2)

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> Self:
        """The network that a state dict describes, holding its tensors."""
        spec = AgeTokensSpec.of(state)
        return built(lambda: cls(spec), state, name="a nano age transformer")

    def forward(self, portrait: Tensor) -> Tensor:
        x = resized(portrait, self.spec.size).contiguous(memory_format=torch.channels_last)
        x = self.stem(x).flatten(2).transpose(1, 2) + self.places
        for block in self.blocks:
            x = block(x)
        x = self.norm(x)
        weights = self.look(x).float().softmax(dim=1)
        return self.vote((weights * x.float()).sum(dim=1)).float()

    def age(self, portrait: Tensor) -> Tensor:
        """Mean age in years (b,)."""
        return normal_age(self(portrait))[0]


def normal_age(output: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation in years, each (b,), of the output (b, 2) of `NanoAgeTokens`."""
    mean, log_variance = output.float().unbind(dim=1)
    spread = (log_variance.clamp(-LOG_VARIANCE_LIMIT, LOG_VARIANCE_LIMIT) / 2).exp()
    return MIDDLE + UNIT * mean, UNIT * spread
