"""MiVOLO: age and gender from a face, or from a face beside a body (Kuprashevich & Tolstykh 2023).

A VOLO-D1 (Yuan et al. 2021, from timm) whose patch embedding may fuse two pictures.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import torch
from timm.models.volo import VOLO
from torch import Tensor, nn

from engine.core.errors import WeightsError
from engine.nets.loading import built
from engine.weights.checkpoint import Checkpoint

STEM, EMBEDDING = 64, 192  # channels inside the patch embedding
PATCH = 8  # px of one token in front of the network
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_DEVIATION = (0.229, 0.224, 0.225)


@dataclass(frozen=True, slots=True)
class MiVoloSpec:
    """Input size in px, whether a body is an input too, outputs: 3 (male, female, age) or 1."""

    size: int = 224
    with_body: bool = True
    outputs: int = 3

    @classmethod
    def of(cls, state: Mapping[str, Tensor]) -> Self:
        """Read the shape off a state dict."""
        try:
            size = state["pos_embed"].shape[1] * PATCH * 2
            outputs = state["head.weight"].shape[0]
        except KeyError as error:
            raise WeightsError(f"{error} is missing: these are no MiVOLO weights") from error
        return cls(size, "patch_embed.conv1.0.weight" in state, outputs)


@dataclass(frozen=True, slots=True)
class AgeScale:
    """How a checkpoint writes ages: `raw = (years - middle) / (high - low)`."""

    low: float
    high: float
    middle: float

    def years(self, raw: Tensor) -> Tensor:
        """Network output to years."""
        return raw * (self.high - self.low) + self.middle


def mivolo_of(checkpoint: Checkpoint) -> "tuple[MiVolo, AgeScale]":
    """The network of a MiVOLO checkpoint and the scale of its ages; WeightsError for another."""
    if "age_scale" not in checkpoint.facts:
        raise WeightsError(f"a `{checkpoint.kind}` checkpoint is no MiVOLO: it has no age scale")
    return MiVolo.from_state(checkpoint.part("age")), AgeScale(**checkpoint.facts["age_scale"])


def _stem() -> nn.Sequential:
    """Three convolutions, the first at half the size: (b, 3, h, w) to (b, 64, h/2, w/2)."""
    layers: list[nn.Module] = []
    for inputs, size, stride in ((3, 7, 2), (STEM, 3, 1), (STEM, 3, 1)):
        layers += [
            nn.Conv2d(inputs, STEM, size, stride, size // 2, bias=False),
            nn.BatchNorm2d(STEM),
            nn.ReLU(inplace=True),
        ]
    return nn.Sequential(*layers)


class RelativePosition(nn.Module):
    """Attention logits by row and by column distance (Srinivas et al. 2021, figure 4)."""

    def __init__(self, side: int, channels: int) -> None:
        super().__init__()
        self.side = side
        self.height_rel = nn.Parameter(torch.randn(2 * side - 1, channels) * channels**-0.5)
        self.width_rel = nn.Parameter(torch.randn(2 * side - 1, channels) * channels**-0.5)

    def forward(self, query: Tensor) -> Tensor:
        """Query (b, side*side, channels) to logits (b, side*side, side*side)."""
        side, batch = self.side, len(query)
        step = torch.arange(side, device=query.device)
        distance = step[None, :] - step[:, None] + side - 1  # (from, to)
        grid = query.view(batch, side, side, -1)
        down = torch.einsum("bhwc,hkc->bhwk", grid, self.height_rel[distance])
        across = torch.einsum("bhwc,wkc->bhwk", grid, self.width_rel[distance])
        return (down[..., :, None] + across[..., None, :]).reshape(batch, side * side, side * side)


class ConvMlp(nn.Module):
    """Two 1x1 convolutions around a GELU."""

    def __init__(self, inputs: int, hidden: int, outputs: int) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(inputs, hidden, 1)
        self.fc2 = nn.Conv2d(hidden, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(nn.functional.gelu(self.fc1(x)))


class CrossAttention(nn.Module):
    """Attention of the face to the body and of the body to the face, merged into one map."""

    def __init__(self, channels: int, side: int) -> None:
        super().__init__()
        self.qkv_f = nn.Conv2d(channels, channels * 3, 1, bias=False)
        self.qkv_p = nn.Conv2d(channels, channels * 3, 1, bias=False)
        self.pos_embed = RelativePosition(side, channels)
        self.norm = nn.LayerNorm([channels * 2, side, side])
        self.mlp = ConvMlp(channels * 2, channels * 4, channels)
        self.scale = channels**-0.5

    def forward(self, face: Tensor, body: Tensor) -> Tensor:
        face_q, face_k, face_v = self.qkv_f(face).flatten(2).transpose(1, 2).chunk(3, dim=2)
        body_q, body_k, body_v = self.qkv_p(body).flatten(2).transpose(1, 2).chunk(3, dim=2)
        attended = [self._attend(face_q, body_k, body_v), self._attend(body_q, face_k, face_v)]
        both = torch.cat(attended, dim=2).transpose(1, 2)
        return self.mlp(self.norm(both.unflatten(2, face.shape[2:])))

    def _attend(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        logits = query @ key.transpose(1, 2) * self.scale + self.pos_embed(query)
        return logits.softmax(dim=2) @ value


class FacePatches(nn.Module):
    """Tokens (b, 192, h/8, w/8) of one picture."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = _stem()
        self.proj = nn.Conv2d(STEM, EMBEDDING, PATCH // 2, PATCH // 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.proj(self.conv(x))


class FaceBodyPatches(nn.Module):
    """Tokens (b, 192, h/8, w/8) of a face and a body, stacked to six planes."""

    def __init__(self, side: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = _stem(), _stem()
        self.proj1 = nn.Conv2d(STEM, EMBEDDING, PATCH // 2, PATCH // 2)
        self.proj2 = nn.Conv2d(STEM, EMBEDDING, PATCH // 2, PATCH // 2)
        self.map = CrossAttention(EMBEDDING, side)

    def forward(self, x: Tensor) -> Tensor:
        face, body = x.chunk(2, dim=1)
        return self.map(self.proj1(self.conv1(face)), self.proj2(self.conv2(body)))


class MiVolo(VOLO):
    """Normalised pictures (b, 3 or 6, size, size) to raw (b, outputs): male, female, age."""

    def __init__(self, spec: MiVoloSpec | None = None) -> None:
        spec = MiVoloSpec() if spec is None else spec
        super().__init__(
            layers=[4, 4, 8, 2],
            embed_dims=[EMBEDDING, 384, 384, 384],
            num_heads=[6, 12, 12, 12],
            img_size=spec.size,
            num_classes=spec.outputs,
        )
        self.spec = spec
        self.patch_embed = FaceBodyPatches(spec.size // PATCH) if spec.with_body else FacePatches()

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> Self:
        """The network that a state dict describes, holding its tensors."""
        spec = MiVoloSpec.of(state)
        return built(lambda: cls(spec), state, name="MiVOLO-D1")

    def age(self, face: Tensor, scale: AgeScale, body: Tensor | None = None) -> Tensor:
        """Years (b,) from crops (b, 3, size, size) in [-1, 1]; no body is a black picture."""
        planes = imagenet(face)
        if self.spec.with_body:
            body = torch.full_like(face, -1.0) if body is None else body
            planes = torch.cat([planes, imagenet(body)], dim=1)
        return scale.years(self(planes)[:, -1])


def imagenet(picture: Tensor) -> Tensor:
    """[-1, 1] RGB to ImageNet's normalisation."""
    mean = picture.new_tensor(IMAGENET_MEAN).view(1, 3, 1, 1)
    deviation = picture.new_tensor(IMAGENET_DEVIATION).view(1, 3, 1, 1)
    return ((picture + 1) / 2 - mean) / deviation
