"""The nano encoder of photographs: linear codes by projection, styles of detail by convolutions."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.nets.loading import built
from engine.nets.nano.base import PortraitBase
from engine.nets.nano.codes_spec import CodesSpec
from engine.nets.nano.folding import Fold, Stem
from engine.nets.nano.generator import STYLED
from engine.nets.style import StyleEncoder

RGB = 3
OOD_THRESHOLD = 1.9
"""OOD score up to which a picture counts as a drawn portrait: of 200 renders of people not trained
on none is above 1.5, faces in photographs are above 2.2."""


@dataclass(frozen=True, slots=True)
class NanoEncoderSpec(CodesSpec):
    """The shape of the encoder; its input is a photograph."""

    network: ClassVar[str] = "a nano encoder"

    @property
    def planes(self) -> int:
        """Planes of a photograph."""
        return RGB


class NanoEncoder(StyleEncoder):
    """Aligned portraits (b, 3, size, size) in [-1, 1] to w+ (b, n_styles, style width)."""

    def __init__(self, spec: NanoEncoderSpec | None = None) -> None:
        super().__init__()
        self.spec = spec = NanoEncoderSpec() if spec is None else spec
        self.base = PortraitBase(spec.base)
        widths = spec.widths
        self.stem = Stem(RGB, widths[0])
        self.stages = nn.ModuleList(Fold(*pair) for pair in pairwise(widths))
        side = spec.size // 2 ** len(widths)
        self.places = nn.Linear(widths[-1] * side**2, spec.summary)
        self.amounts = nn.Linear(sum(widths), spec.summary // 2)
        self.norm = nn.LayerNorm(spec.summary + spec.summary // 2)
        self.styles = nn.Linear(spec.summary + spec.summary // 2, STYLED * spec.style_width)

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> Self:
        """The encoder that a state dict describes, holding its tensors."""
        spec = NanoEncoderSpec.of(state)
        return built(lambda: cls(spec), state, name=f"a nano encoder of {spec.size} px")

    @property
    def shape(self) -> NanoEncoderSpec:
        """What goes in and what comes out."""
        return self.spec

    def forward(self, x: Tensor) -> Tensor:
        spec = self.spec
        if x.shape[1:] != (RGB, spec.size, spec.size):
            wanted = f"(b, {RGB}, {spec.size}, {spec.size})"
            raise ValueError(f"this encoder takes {wanted}, not {tuple(x.shape)}")
        linear = self.base.codes(x)
        codes = torch.cat([linear, self.detail_styles(x)], dim=1)
        return codes.unflatten(1, (spec.n_styles, spec.style_width))

    def ood_score(self, x: Tensor) -> Tensor:
        """Distance of pictures (b, 3, size, size) from the training portraits: (b,).

        The root mean square of the linear codes, each of which has variance 1 over portraits.
        """
        return self.base.codes(x).square().mean(dim=1).sqrt()

    def detail_styles(self, x: Tensor) -> Tensor:
        """Styles (b, STYLED * style width) of the detail, each of mean 0 and variance 1."""
        x = self.stem(x)
        amounts = [x.mean(dim=(2, 3))]
        for stage in self.stages:
            x = stage(x)
            amounts.append(x.mean(dim=(2, 3)))
        summary = [self.places(x.flatten(1)), self.amounts(torch.cat(amounts, dim=1))]
        hidden = F.leaky_relu(self.norm(torch.cat(summary, dim=1)), 0.2)
        styles = self.styles(hidden).float().unflatten(1, (STYLED, self.spec.style_width))
        return F.layer_norm(styles, styles.shape[2:]).flatten(1)
