"""ArcFace on IR-SE50: face embeddings of unit length (Deng et al. 2019)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.core.errors import WeightsError
from engine.nets.encoders.ir_se import DEPTHS, WIDTHS, body, body_shape, stem
from engine.nets.loading import built

ALIGNED = 256  # px of an FFHQ-aligned portrait
CROP = (slice(35, 223), slice(32, 220))  # rows, columns of the face within it
SHRINK = 16  # of the body: 112 px become 7


@dataclass(frozen=True, slots=True)
class ArcFaceSpec:
    """Input size in px, embedding width, and the widths and depths of the body."""

    size: int = 112
    embedding: int = 512
    widths: tuple[int, ...] = WIDTHS
    depths: tuple[int, ...] = DEPTHS

    @classmethod
    def of(cls, state: Mapping[str, Tensor]) -> Self:
        """Read the shape off a state dict."""
        if "output_layer.3.weight" not in state:
            raise WeightsError("`output_layer.3.weight` is missing: these are no ArcFace weights")
        embedding, flat = state["output_layer.3.weight"].shape
        widths, depths = body_shape(state)
        size = round((flat / widths[-1]) ** 0.5) * SHRINK
        return cls(size, embedding, widths, depths)


class ArcFace(nn.Module):
    """Face crops (b, 3, 112, 112) in [-1, 1] to unit vectors (b, 512)."""

    def __init__(self, spec: ArcFaceSpec | None = None) -> None:
        super().__init__()
        self.spec = spec = ArcFaceSpec() if spec is None else spec
        last = spec.widths[-1]
        self.input_layer = stem(3, spec.widths[0])
        self.body = body(spec.widths, spec.depths)
        self.output_layer = nn.Sequential(
            nn.BatchNorm2d(last),
            nn.Dropout(),
            nn.Flatten(),
            nn.Linear(last * (spec.size // SHRINK) ** 2, spec.embedding),
            nn.BatchNorm1d(spec.embedding),
        )

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> Self:
        """The network that a state dict describes, holding its tensors."""
        spec = ArcFaceSpec.of(state)
        return built(lambda: cls(spec), state, name="ArcFace on IR-SE50")

    def forward(self, face: Tensor) -> Tensor:
        x = self.input_layer(face.contiguous(memory_format=torch.channels_last))
        # Flattening reads channel by channel, as the published linear layer expects.
        return F.normalize(self.output_layer(self.body(x)), dim=1)

    def face_embedding(self, portrait: Tensor) -> Tensor:
        """Embedding of FFHQ-aligned portraits (b, 3, n*256, n*256), by the published crop.

        Larger portraits are averaged down to 256 px first.
        """
        if portrait.shape[2] != portrait.shape[3] or portrait.shape[2] % ALIGNED:
            sides = tuple(portrait.shape[2:])
            raise ValueError(f"a portrait must be square, a multiple of 256 px, not {sides}")
        face = F.adaptive_avg_pool2d(portrait, ALIGNED)[:, :, CROP[0], CROP[1]]
        return self(F.adaptive_avg_pool2d(face, self.spec.size))
