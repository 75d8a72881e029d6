"""Emotional residual units: they condition feature maps on valence and arousal.

Three forms: FiLM with bounded gamma and beta, the gate of the paper (Park and Lee, ACCV 2020,
section 3.2), and conditional instance normalisation.
"""

from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

EruForm = Literal["film", "gate", "norm", "none"]
NEGATIVE_SLOPE = 0.2
"""Of every leaky ReLU of the landscape networks."""
SCALE_LOW, SCALE_HIGH = 0.5, 1.5
"""Bounds of the learned scale of a branch; without them gamma would be unbounded."""


class EruRange(NamedTuple):
    """Multipliers of gamma at a value of 0 and 1, largest base of gamma, and scale of beta."""

    low: float = 0.8
    high: float = 1.2
    clip: float = 0.5
    beta: float = 2.0

    @property
    def gamma(self) -> tuple[float, float]:
        """The smallest and the largest gamma, before the learned scale."""
        return (1 - self.clip) * self.low, (1 + self.clip) * self.high


class Modulation(NamedTuple):
    """Scaled gamma and beta of one branch, (b, channels) each.

    clipped: share of the bases of gamma that are clipped.
    """

    gamma: Tensor
    beta: Tensor
    clipped: Tensor


class _Branch(nn.Module):
    """Gamma and beta for valence or for arousal, each by its own MLP."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.gamma = _mlp(hidden, channels)
        self.beta = _mlp(hidden, channels)
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, value: Tensor, reach: Tensor, *, soft: bool) -> Modulation:
        low, high, clip, beta = reach.float().unbind()
        base = self.gamma(value[:, None]).float()
        # A hard clip passes no gradient outside its range; tanh has the same range.
        bounded = clip * torch.tanh(base / clip) if soft else base.clamp(-clip, clip)
        gamma = (1 + bounded) * (low + (high - low) * value.float()[:, None])
        scale = self.scale.float().clamp(SCALE_LOW, SCALE_HIGH)
        shift = beta * self.beta(value[:, None]).float().clamp(-1, 1)
        clipped = (base.detach().abs() >= clip).float().mean()
        return Modulation(scale * gamma, scale * shift, clipped)


class FilmEru(nn.Module):
    """y = x + mean over valence and arousal of s (gamma x + beta), both bounded by construction.

    gamma = (1 + clip(g, ±0.5)) m with m from 0.8 to 1.2 along the axis, so 0.4..1.8; beta is
    2 clip(b, ±1); s lies in 0.5..1.5. g and b are initialised to 0. `soft`: tanh instead of clip
    for g.
    """

    def __init__(
        self, channels: int, hidden: int = 64, reach: EruRange | None = None, *, soft: bool = False
    ) -> None:
        super().__init__()
        reach = EruRange() if reach is None else reach
        self.valence, self.arousal = _Branch(channels, hidden), _Branch(channels, hidden)
        self.register_buffer("reach", torch.tensor(reach))
        self.register_buffer("soft", torch.tensor(soft))
        self._fixed: bool | None = None

    def fix(self) -> None:
        """Read the weights' own settings now, so that a graph of the unit has no branch."""
        self._fixed = bool(self.get_buffer("soft"))

    def modulations(self, va: Tensor) -> tuple[Modulation, Modulation]:
        """The modulation by valence, then by arousal, for values (b, 2) in 0..1."""
        soft = bool(self.get_buffer("soft")) if self._fixed is None else self._fixed
        reach = self.get_buffer("reach")
        first = self.valence(va[:, 0], reach, soft=soft)
        return first, self.arousal(va[:, 1], reach, soft=soft)

    def forward(self, x: Tensor, va: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            one, other = self.modulations(va.float())
        gamma = (0.5 * (one.gamma + other.gamma))[..., None, None].to(x.dtype)
        beta = (0.5 * (one.beta + other.beta))[..., None, None].to(x.dtype)
        return x + gamma * x + beta

    @property
    def bound(self) -> float:
        """The largest scaled gamma that any weights can produce."""
        return EruRange(*self.get_buffer("reach").tolist()).gamma[1] * SCALE_HIGH


class GatedMap(NamedTuple):
    """A unit's output, and its attention to valence and to arousal in 0..1: (b, c, h, w) each."""

    output: Tensor
    valence: Tensor
    arousal: Tensor


def _plain_conv(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1)


class GateEru(nn.Module):
    """The paper's unit: convolutional gates on the map and constant planes of both values."""

    def __init__(self, channels: int, conv: Callable[[int, int], nn.Conv2d] = _plain_conv) -> None:
        super().__init__()
        self.valence = conv(channels + 1, channels)
        self.arousal = conv(channels + 1, channels)
        self.merge = conv(channels + 2, channels)

    def gated(self, x: Tensor, va: Tensor) -> GatedMap:
        """The output with the attention maps (equations 1 to 3)."""
        planes = va[:, :, None, None].to(x.dtype).expand(-1, -1, *x.shape[2:])
        v, a = planes[:, :1], planes[:, 1:]
        valence = torch.sigmoid(self.valence(torch.cat([x, v], 1)))
        arousal = torch.sigmoid(self.arousal(torch.cat([x, a], 1)))
        gated = torch.cat([valence * x + arousal * x, v, a], 1)
        return GatedMap(x + torch.tanh(self.merge(gated)), valence, arousal)

    def forward(self, x: Tensor, va: Tensor) -> Tensor:
        return self.gated(x, va).output


class NormEru(nn.Module):
    """Conditional instance normalisation: scale and shift are linear in valence and arousal."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.InstanceNorm2d(channels, affine=False)
        self.place = nn.Linear(2, 2 * channels)
        nn.init.zeros_(self.place.weight)
        nn.init.zeros_(self.place.bias)

    def forward(self, x: Tensor, va: Tensor) -> Tensor:
        scale, shift = self.place(va.to(self.place.weight.dtype))[..., None, None].chunk(2, 1)
        return self.norm(x) * (1 + scale) + shift


class NoEru(nn.Module):
    """Identity: the ablation without emotional residual units."""

    def forward(self, x: Tensor, va: Tensor) -> Tensor:
        return x


def build_eru(
    form: EruForm, channels: int, *, hidden: int, reach: EruRange, soft: bool
) -> nn.Module:
    """A new unit of the given form."""
    match form:
        case "film":
            return FilmEru(channels, hidden, reach, soft=soft)
        case "gate":
            return GateEru(channels)
        case "norm":
            return NormEru(channels)
        case "none":
            return NoEru()


def form_of(state: Mapping[str, Tensor], prefix: str) -> EruForm:
    """The form of the unit whose tensors stand under `prefix`."""
    if f"{prefix}reach" in state:
        return "film"
    if f"{prefix}merge.weight" in state:
        return "gate"
    return "norm" if f"{prefix}place.weight" in state else "none"


def _mlp(hidden: int, channels: int) -> nn.Sequential:
    last = nn.Linear(hidden, channels)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return nn.Sequential(nn.Linear(1, hidden), nn.LeakyReLU(NEGATIVE_SLOPE), last)
