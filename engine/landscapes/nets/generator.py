"""The generator of landscapes, which is the decoder of the autoencoder too."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.core.errors import WeightsError
from engine.landscapes.nets.eru import EruForm, EruRange, FilmEru, build_eru, form_of
from engine.landscapes.nets.growth import Fade, enlarged
from engine.nets.loading import built

SMALLEST = 4
"""Side of the first map."""
GROUPS = 16


@dataclass(frozen=True, slots=True)
class GeneratorSpec:
    """Width of the code, widths of the maps from 4 px on, and the units: their form and how many.

    The last `units` stages have one; by default every stage.
    """

    latent: int = 128
    widths: tuple[int, ...] = (512, 256, 128, 64, 32, 32)
    eru: EruForm = "film"
    units: int | None = None
    hidden: int = 64
    reach: EruRange = field(default_factory=EruRange)
    soft: bool = False
    norm: bool = True
    """Normalise behind each convolution: units in a row multiply what they get."""
    grown: bool = False
    """Whether the last stage fades in over a network of half the side."""

    @property
    def size(self) -> int:
        """Side of the pictures in px."""
        return SMALLEST * 2 ** (len(self.widths) - 1)

    @property
    def forms(self) -> tuple[EruForm, ...]:
        """The form of the unit of each stage."""
        stages = len(self.widths) - 1
        units = stages if self.units is None else self.units
        return tuple(self.eru if at >= stages - units else "none" for at in range(stages))

    @classmethod
    def of(cls, state: Mapping[str, Tensor]) -> Self:
        """Read the shape off a state dict; WeightsError where it is none of a generator."""
        if "start.weight" not in state or "paint.weight" not in state:
            raise WeightsError("`start.weight` is missing: these are no weights of a landscape GAN")
        widths = [state["first.conv.weight"].shape[0]]
        while (key := f"stages.{len(widths) - 1}.conv.weight") in state:
            widths.append(state[key].shape[0])
        stages = range(len(widths) - 1)
        forms: list[EruForm] = [form_of(state, f"stages.{at}.eru.") for at in stages]
        at = next((i for i, form in enumerate(forms) if form == "film"), None)
        first = next((i for i, form in enumerate(forms) if form != "none"), 0)
        told: dict[str, object] = {}
        if at is not None:
            told = {
                "hidden": state[f"stages.{at}.eru.valence.gamma.0.weight"].shape[0],
                "reach": EruRange(*state[f"stages.{at}.eru.reach"].tolist()),
                "soft": bool(state[f"stages.{at}.eru.soft"]),
            }
        return cls(
            latent=state["start.weight"].shape[1],
            widths=tuple(widths),
            eru=forms[first],
            units=len(forms) - forms.count("none"),
            norm="first.norm.weight" in state,
            grown="before.weight" in state,
            **told,  # pyright: ignore[reportArgumentType]
        )


class Stage(nn.Module):
    """Nearest-neighbour enlargement, 3x3 convolution, group norm, ReLU, emotional residual unit."""

    def __init__(self, inputs: int, outputs: int, spec: GeneratorSpec, form: EruForm) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.norm = group_norm(outputs) if spec.norm else nn.Identity()
        self.eru = build_eru(form, outputs, hidden=spec.hidden, reach=spec.reach, soft=spec.soft)

    def forward(self, x: Tensor, places: Tensor) -> Tensor:
        return self.eru(F.relu(self.norm(self.conv(enlarged(x)))), places)


class First(nn.Module):
    """The map of 4 px: convolution, norm, ReLU."""

    def __init__(self, width: int, *, norm: bool) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1)
        self.norm = group_norm(width) if norm else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.norm(self.conv(x)))


class LandscapeGenerator(nn.Module):
    """Codes (b, latent) and places (b, 2) of the plane, in 0..1, to pictures (b, 3, s, s).

    The place enters by the units only. `code_mean` and `code_spread` tell where codes lie: the
    origin with variance 1, or what an encoder makes of pictures.
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

    def forward(self, codes: Tensor, places: Tensor) -> Tensor:
        x = F.relu(self.start(codes)).unflatten(1, (-1, SMALLEST, SMALLEST))
        below = x = self.first(x.contiguous(memory_format=torch.channels_last))
        for stage in self.stages:
            below, x = x, stage(x, places)
        colours = self.paint(x)
        if self.fade is not None and self.before is not None and (share := self.fade.share) < 1:
            colours = torch.lerp(enlarged(self.before(below)), colours, share)
        return torch.tanh(colours.float())

    def codes(self, normal: Tensor, *, truncation: float = 1.0) -> Tensor:
        """Codes (b, latent) of standard normal numbers, drawn towards the mean below 1."""
        spread = truncation * self.get_buffer("code_spread")
        return self.get_buffer("code_mean") + spread * normal

    @property
    def units(self) -> tuple[FilmEru, ...]:
        """The FiLM units, coarsest first."""
        return tuple(m for m in self.modules() if isinstance(m, FilmEru))


@torch.no_grad()
def of_units(generator: LandscapeGenerator, steps: int = 11) -> dict[str, float]:
    """What the units do over the plane; all 0 for units without a gamma.

    gamma: the largest scaled one of any unit; clipped: the largest share of bases at their edge;
    moved: the least standard deviation of a unit's gamma over the plane, mean over its channels.
    """
    ticks = torch.linspace(0, 1, steps, device=generator.get_buffer("code_mean").device)
    places = torch.cartesian_prod(ticks, ticks)
    told = [one for unit in generator.units for one in unit.modulations(places)]
    if not told:
        return {"gamma": 0.0, "clipped": 0.0, "moved": 0.0}
    return {
        "gamma": max(one.gamma.max().item() for one in told),
        "clipped": max(one.clipped.item() for one in told),
        "moved": min(one.gamma.std(dim=0).mean().item() for one in told),
    }


def group_norm(width: int) -> nn.GroupNorm:
    """Group norm with as many groups as divide the width, 16 at most."""
    groups = next(g for g in range(min(GROUPS, width), 0, -1) if width % g == 0)
    return nn.GroupNorm(groups, width)
