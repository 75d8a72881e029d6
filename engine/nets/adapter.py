"""The personal adapter: MyTimeMachine's blender over the codes of the global ageing prior.

MyTimeMachine, Qi et al. 2025, section 3.2. Every style vector passes a bottleneck MLP; a summary of
all of them and of the target age, beside the vector itself, gives its correction by another MLP.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self, cast

import torch
from torch import Tensor, nn

from engine.core.errors import WeightsError
from engine.core.numbers import AGE_CAP
from engine.nets.loading import built


@dataclass(frozen=True, slots=True)
class AdapterSpec:
    """Style vectors and their width; widths of the bottleneck, the summary and the age MLP."""

    n_styles: int = 18
    style_width: int = 512
    bottleneck: int = 32
    summary: int = 128
    age_width: int = 16

    @classmethod
    def of(cls, state: Mapping[str, Tensor]) -> Self:
        """Read the shape off a state dict."""
        try:
            bottleneck, style_width = state["bottleneck_0.0.weight"].shape
            summary = state["global_mlp.0.weight"].shape[0]
            age_width = state["age_mlp.0.weight"].shape[0]
        except KeyError as error:
            raise WeightsError(f"{error} is missing: these are no weights of a blender") from error
        n_styles = len({key.split(".")[0] for key in state if key.startswith("bottleneck_")})
        return cls(n_styles, style_width, bottleneck, summary, age_width)


def _mlp(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, outputs), nn.ReLU(), nn.Linear(outputs, outputs))


class Adapter(nn.Module):
    """w+ (b, n_styles, style width) and ages (b,) in age to personal w+ of the same shape.

    It starts as the identity: the last layer of every correction is zero.
    """

    def __init__(self, spec: AdapterSpec | None = None) -> None:
        super().__init__()
        self.spec = spec = AdapterSpec() if spec is None else spec
        for i in range(spec.n_styles):
            self.add_module(f"bottleneck_{i}", _mlp(spec.style_width, spec.bottleneck))
        self.global_mlp = _mlp(spec.n_styles * spec.bottleneck, spec.summary)
        self.age_mlp = _mlp(1, spec.age_width)
        inputs = spec.summary + spec.age_width + spec.style_width
        for i in range(spec.n_styles):
            correction = nn.Sequential(
                nn.Linear(inputs, spec.style_width),
                nn.ReLU(),
                nn.Linear(spec.style_width, spec.style_width),
            )
            last = cast("nn.Linear", correction[2])
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)
            self.add_module(f"fc_{i}", correction)

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> Self:
        """The adapter that a state dict describes, holding its tensors."""
        spec = AdapterSpec.of(state)
        return built(lambda: cls(spec), state, name="a personal adapter")

    def forward(self, w_plus: Tensor, ages: Tensor) -> Tensor:
        styles = w_plus.transpose(0, 1)
        bottleneck = _side_by_side(self._per_style("bottleneck"), styles)
        summary = self.global_mlp(bottleneck.transpose(0, 1).flatten(1))
        age = self.age_mlp((ages.to(w_plus) / AGE_CAP)[:, None])
        context = torch.cat([summary, age], dim=1).expand(len(styles), -1, -1)
        correction = _side_by_side(self._per_style("fc"), torch.cat([context, styles], dim=2))
        return w_plus + correction.transpose(0, 1)

    def _per_style(self, name: str) -> list[nn.Sequential]:
        return [
            cast("nn.Sequential", self.get_submodule(f"{name}_{i}"))
            for i in range(self.spec.n_styles)
        ]


def _side_by_side(mlps: Sequence[nn.Sequential], x: Tensor) -> Tensor:
    """Apply MLP i to x[i] (n, b, inputs) for all i at once: two batched matrix products."""
    for layer in (0, 2):
        linears = [cast("nn.Linear", mlp[layer]) for mlp in mlps]
        weight = torch.stack([linear.weight for linear in linears])
        bias = torch.stack([linear.bias for linear in linears])
        x = torch.baddbmm(bias[:, None], x, weight.transpose(1, 2))
        if layer == 0:
            x = torch.relu_(x)
    return x


def adapted_reference(adapter: Adapter, w_plus: Tensor, ages: Tensor) -> Tensor:
    """The definition of the adapter: style after style."""
    named = dict(adapter.named_children())
    n = adapter.spec.n_styles
    bottleneck = [named[f"bottleneck_{i}"](w_plus[:, i]) for i in range(n)]
    summary = adapter.global_mlp(torch.cat(bottleneck, dim=1))
    context = torch.cat([summary, adapter.age_mlp(ages[:, None] / AGE_CAP)], dim=1)
    return torch.stack(
        [
            named[f"fc_{i}"](torch.cat([context, w_plus[:, i]], dim=1)) + w_plus[:, i]
            for i in range(n)
        ],
        dim=1,
    )
