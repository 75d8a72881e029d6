"""The generator of landscapes, which is also the decoder of the autoencoder."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.core.errors import WeightsError
from engine.landscapes.nets.eru import EruForm, EruRange, FilmEru, build_eru, form_of
from engine.landscapes.nets.growth import Fade, upsampled
from engine.nets.loading import built

SMALLEST = 4
"""Side of the first feature map in px."""
GROUPS = 16


@dataclass(frozen=True, slots=True)
class GeneratorSpec:
    """Width of the latent, widths of the feature maps from 4 px up, and the residual units.

    The last `units` stages have a unit of form `eru`; by default every stage.
    """

    latent: int = 128
    widths: tuple[int, ...] = (512, 256, 128, 64, 32, 32)
    eru: EruForm = "film"
    units: int | None = None
    hidden: int = 64
    reach: EruRange = field(default_factory=EruRange)
    soft: bool = False
    norm: bool = True
    """Group norm after each convolution."""
    grown: bool = False
    """Whether the last stage fades in over a network of half the size."""

    @property
    def size(self) -> int:
        """Side of the images in px."""
        return SMALLEST * 2 ** (len(self.widths) - 1)

    @property
    def forms(self) -> tuple[EruForm, ...]:
        """The form of the unit of each stage."""
        stages = len(self.widths) - 1
        units = stages if self.units is None else self.units
        return tuple(self.eru if i >= stages - units else "none" for i in range(stages))

    @classmethod
    def of(cls, state: Mapping[str, Tensor]) -> Self:
        """Read the shape off a state dict; WeightsError if it is not a generator's."""
        if "start.weight" not in state or "paint.weight" not in state:
            raise WeightsError(
                "`start.weight` is missing: these are not the weights of a landscape GAN"
            )
        widths = [state["first.conv.weight"].shape[0]]
        while (key := f"stages.{len(widths) - 1}.conv.weight") in state:
            widths.append(state[key].shape[0])
        stages = range(len(widths) - 1)
        forms: list[EruForm] = [form_of(state, f"stages.{i}.eru.") for i in stages]
        film = next((i for i, form in enumerate(forms) if form == "film"), None)
        first = next((i for i, form in enumerate(forms) if form != "none"), 0)
        settings: dict[str, object] = {}
        if film is not None:
            settings = {
                "hidden": state[f"stages.{film}.eru.valence.gamma.0.weight"].shape[0],
                "reach": EruRange(*state[f"stages.{film}.eru.reach"].tolist()),
                "soft": bool(state[f"stages.{film}.eru.soft"]),
            }
        return cls(
            latent=state["start.weight"].shape[1],
            widths=tuple(widths),
            eru=forms[first],
            units=len(forms) - forms.count("none"),
            norm="first.norm.weight" in state,
            grown="before.weight" in state,
            **settings,  # pyright: ignore[reportArgumentType]
        )


class Stage(nn.Module):
    """Nearest-neighbour upsampling, 3x3 convolution, group norm, ReLU, emotional residual unit."""

    def __init__(self, inputs: int, outputs: int, spec: GeneratorSpec, form: EruForm) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.norm = group_norm(outputs) if spec.norm else nn.Identity()
        self.eru = build_eru(form, outputs, hidden=spec.hidden, reach=spec.reach, soft=spec.soft)

    def forward(self, x: Tensor, va: Tensor) -> Tensor:
        return self.eru(F.relu(self.norm(self.conv(upsampled(x)))), va)


class First(nn.Module):
    """The first feature map, of 4 px: convolution, norm, ReLU."""

    def __init__(self, width: int, *, norm: bool) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1)
        self.norm = group_norm(width) if norm else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.norm(self.conv(x)))


class LandscapeGenerator(nn.Module):
    """Latents (b, latent), valence and arousal (b, 2) in 0..1 to images (b, 3, s, s) in [-1, 1].

    Valence and arousal enter through the units only. `code_mean` and `code_spread` are mean and
    standard deviation of the latents: 0 and 1, or those of an encoder's latents of real images.
    """

    def __init__(self, spec: GeneratorSpec | None = None) -> None:
        super().__init__()
        self.spec = spec = GeneratorSpec() if spec is None else spec
        self.start = nn.Linear(spec.latent, spec.widths[0] * SMALLEST**2)
        self.first = First(spec.widths[0], norm=spec.norm)
        pairs = zip(pairwise(spec.widths), spec.forms, strict=True)
        self.stages = nn.ModuleList(Stage(*pair, spec, form) for pair, form in pairs)
        self.paint = nn.Conv2d(spec.widths[-1], 3, 1)
        self.before = nn.Conv2d(spec.widths[-2], 3, 1) if spec.grown else None
        self.fade = Fade() if spec.grown else None
        self.register_buffer("code_mean", torch.zeros(spec.latent))
        self.register_buffer("code_spread", torch.ones(spec.latent))

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> Self:
        """The network that a state dict describes, holding its tensors."""
        spec = GeneratorSpec.of(state)
        return built(lambda: cls(spec), state, name="a landscape generator")

    def forward(self, latents: Tensor, va: Tensor) -> Tensor:
        x = F.relu(self.start(latents)).unflatten(1, (-1, SMALLEST, SMALLEST))
        previous = x = self.first(x.contiguous(memory_format=torch.channels_last))
        for stage in self.stages:
            previous, x = x, stage(x, va)
        rgb = self.paint(x)
        if self.fade is not None and self.before is not None and (share := self.fade.share) < 1:
            rgb = torch.lerp(upsampled(self.before(previous)), rgb, share)
        return torch.tanh(rgb.float())

    def latents(self, noise: Tensor, *, truncation: float = 1.0) -> Tensor:
        """Latents (b, latent) of standard normal `noise`; truncation < 1 moves them to the mean."""
        std = truncation * self.get_buffer("code_spread")
        return self.get_buffer("code_mean") + std * noise

    @property
    def units(self) -> tuple[FilmEru, ...]:
        """The FiLM units, coarsest first."""
        return tuple(m for m in self.modules() if isinstance(m, FilmEru))


@torch.no_grad()
def eru_statistics(generator: LandscapeGenerator, steps: int = 11) -> dict[str, float]:
    """Gamma of the FiLM units over the valence-arousal plane; all 0 for other units.

    gamma_max: the largest scaled gamma of any unit; gamma_clipped: the largest share of clipped
    bases; gamma_std: the smallest standard deviation of a unit's gamma over the plane, mean over
    its channels.
    """
    ticks = torch.linspace(0, 1, steps, device=generator.get_buffer("code_mean").device)
    va = torch.cartesian_prod(ticks, ticks)
    modulations = [one for unit in generator.units for one in unit.modulations(va)]
    if not modulations:
        return {"gamma_max": 0.0, "gamma_clipped": 0.0, "gamma_std": 0.0}
    return {
        "gamma_max": max(one.gamma.max().item() for one in modulations),
        "gamma_clipped": max(one.clipped.item() for one in modulations),
        "gamma_std": min(one.gamma.std(dim=0).mean().item() for one in modulations),
    }


@torch.no_grad()
def eru_axes(generator: LandscapeGenerator, steps: int = 11) -> dict[str, float]:
    """Least, largest and mean scaled gamma of all FiLM units by axis, and the mean of their scales.

    Named `eru/valence/gamma_min` and so on; empty for other units.
    """
    ticks = torch.linspace(0, 1, steps, device=generator.get_buffer("code_mean").device)
    va = torch.cartesian_prod(ticks, ticks)
    metrics: dict[str, float] = {}
    units = generator.units
    for place, axis in enumerate(("valence", "arousal") if units else ()):
        gammas = [unit.modulations(va)[place].gamma for unit in units]
        scales = [float(getattr(unit, axis).scale) for unit in units]
        metrics |= {
            f"eru/{axis}/gamma_min": min(gamma.min().item() for gamma in gammas),
            f"eru/{axis}/gamma_max": max(gamma.max().item() for gamma in gammas),
            f"eru/{axis}/gamma_mean": sum(gamma.mean().item() for gamma in gammas) / len(gammas),
            f"eru/{axis}/scale": sum(scales) / len(scales),
        }
    return metrics


def group_norm(width: int) -> nn.GroupNorm:
    """Group norm with the largest number of groups that divides the width, 16 at most."""
    groups = next(g for g in range(min(GROUPS, width), 0, -1) if width % g == 0)
    return nn.GroupNorm(groups, width)
