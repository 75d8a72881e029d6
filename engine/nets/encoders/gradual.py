"""GradualStyleEncoder: a feature pyramid over IR-SE50 and one head per style vector.

Richardson et al. 2021 (pSp), section 3. SAM (Alaluf et al. 2021, section 3) feeds the target age as
a fourth plane.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.core.errors import WeightsError
from engine.core.numbers import AGE_CAP
from engine.nets.encoders.ir_se import DEPTHS, WIDTHS, Layout, body, body_shape, stem
from engine.nets.loading import built
from engine.nets.style import StyleEncoder
from engine.nets.stylegan2.layers import EqualLinear

COARSE, MIDDLE = 3, 7  # styles below these read the smallest and the middle level
LEAK = 0.01


@dataclass(frozen=True, slots=True)
class EncoderSpec:
    """Planes of the input, styles, layout, input size in px and widths of an encoder."""

    planes: int = 3
    n_styles: int = 18
    layout: Layout = "published"
    size: int = 256
    style_width: int = 512
    widths: tuple[int, ...] = WIDTHS
    depths: tuple[int, ...] = DEPTHS

    @property
    def coarse_convs(self) -> int:
        """Strided convolutions that bring the smallest level down to one pixel."""
        return int(math.log2(self.size // (16 if self.layout == "published" else 8)))

    @classmethod
    def of(cls, state: Mapping[str, Tensor], *, size: int = 256) -> Self:
        """Read the shape off a state dict of an encoder for `size` px.

        The fork's layout shows in one more convolution per head (`styles.0.convs.8.weight` at
        256 px), since its strides are not in the weights.
        """
        try:
            planes = state["input_layer.0.weight"].shape[1]
            style_width = state["styles.0.linear.weight"].shape[0]
        except KeyError as error:
            raise WeightsError(f"{error} is missing: these are no weights of an encoder") from error
        widths, depths = body_shape(state)
        convs = sum(f"styles.0.convs.{2 * i}.weight" in state for i in range(16))
        published = cls(size=size)
        return cls(
            planes=planes,
            n_styles=len({key.split(".")[1] for key in state if key.startswith("styles.")}),
            layout="fork" if convs > published.coarse_convs else "published",
            size=size,
            style_width=style_width,
            widths=widths,
            depths=depths,
        )


class StyleHead(nn.Module):
    """Strided convolutions down to one pixel, then one linear layer: one style vector."""

    def __init__(self, inputs: int, outputs: int, convs: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for index in range(convs):
            layers.append(nn.Conv2d(inputs if index == 0 else outputs, outputs, 3, 2, 1))
            layers.append(nn.LeakyReLU(LEAK, inplace=True))
        self.convs = nn.Sequential(*layers)
        self.linear = EqualLinear(outputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(self.convs(x).flatten(1))


class GradualStyleEncoder(StyleEncoder):
    """Aligned portraits (b, planes, size, size) to style vectors (b, n_styles, style width)."""

    def __init__(self, spec: EncoderSpec) -> None:
        super().__init__()
        self.spec = spec
        widths = spec.widths
        self.input_layer = stem(spec.planes, widths[0])
        self.body = body(widths, spec.depths, spec.layout)
        self.styles = nn.ModuleList(
            StyleHead(
                widths[3], spec.style_width, spec.coarse_convs + (i >= COARSE) + (i >= MIDDLE)
            )
            for i in range(spec.n_styles)
        )
        self.latlayer1 = nn.Conv2d(widths[2], widths[3], 1)
        self.latlayer2 = nn.Conv2d(widths[1], widths[3], 1)

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor], *, size: int = 256) -> Self:
        """The encoder that a state dict describes, holding its tensors."""
        spec = EncoderSpec.of(state, size=size)
        return built(lambda: cls(spec), state, name=f"a {spec.layout} style encoder")

    @property
    def shape(self) -> EncoderSpec:
        """What goes in and what comes out."""
        return self.spec

    def pyramid(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Features at 1/4, 1/8 and 1/16 of the input (twice that in the fork's layout)."""
        x = self.input_layer(x.contiguous(memory_format=torch.channels_last))
        taps, done = [], 0
        for upto in (sum(self.spec.depths[:2]), sum(self.spec.depths[:3]), sum(self.spec.depths)):
            x = self.body[done:upto](x)
            taps.append(x)
            done = upto
        fine, middle, coarse = taps
        middle = _enlarged(coarse, middle) + self.latlayer1(middle)
        return _enlarged(middle, fine) + self.latlayer2(fine), middle, coarse

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[1:] != (self.spec.planes, self.spec.size, self.spec.size):
            wanted = f"(b, {self.spec.planes}, {self.spec.size}, {self.spec.size})"
            raise ValueError(f"this encoder takes {wanted}, not {tuple(x.shape)}")
        fine, middle, coarse = self.pyramid(x)
        codes = [
            head(coarse if i < COARSE else middle if i < MIDDLE else fine)
            for i, head in enumerate(self.styles)
        ]
        return torch.stack(codes, dim=1)


def _enlarged(small: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(small, size=like.shape[2:], mode="bilinear", align_corners=True)


def with_age_plane(photo: Tensor, ages: Tensor) -> Tensor:
    """RGB photo (b, 3, h, w) and ages (b,) in years to SAM's input (b, 4, h, w)."""
    plane = (ages.to(photo) / AGE_CAP).view(-1, 1, 1, 1).expand(-1, 1, *photo.shape[2:])
    return torch.cat([photo, plane], dim=1)
