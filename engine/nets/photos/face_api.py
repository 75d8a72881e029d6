"""face-api's age and gender network: a tiny Xception at 112 px (npm `@vladmandic/face-api`).

Its training data are for research only: the weights are fetched by the user, never shipped. It
sees `crops.face_api_crop`, an upright square about the face. face-api's face descriptor is dlib's
(`dlib_resnet.face_api_state`).
"""

from collections.abc import Mapping
from typing import NamedTuple, Self

import torch.nn.functional as F
from torch import Tensor, nn

from engine.nets.loading import built
from engine.nets.photos.layers import SameConv2d, centred_levels, same_padded
from engine.weights.formats.tfjs import Named, read_tfjs
from engine.weights.npm import npm_files

SIZE = 112
SCALE = 255.0
WIDTH = 512
LOWEST = -1e30
"""What max pooling is padded with."""
NAME = "face-api's age and gender network"


class AgeGender(NamedTuple):
    """Years (b,) and the probability of a man (b,)."""

    age: Tensor
    male: Tensor


class SeparableConv2d(nn.Module):
    """A 3x3 convolution within each channel, then one across the channels."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(inputs, inputs, 3, padding=1, groups=inputs, bias=False)
        self.pointwise = nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.pointwise(self.depthwise(x))


class Reduction(nn.Module):
    """Two separable convolutions and a max pooling that halves, beside a 1x1 convolution."""

    def __init__(self, inputs: int, outputs: int, *, first: bool = False) -> None:
        super().__init__()
        self.first = first
        self.conv_1 = SeparableConv2d(inputs, outputs)
        self.conv_2 = SeparableConv2d(outputs, outputs)
        self.expansion = SameConv2d(inputs, outputs, 1, 2)

    def forward(self, x: Tensor) -> Tensor:
        detail = self.conv_1(x if self.first else F.relu(x))
        detail = self.conv_2(F.relu(detail))
        return F.max_pool2d(same_padded(detail, 3, 2, LOWEST), 3, 2) + self.expansion(x)


class Middle(nn.Module):
    """Three separable convolutions beside a shortcut."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList(SeparableConv2d(width, width) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        detail = x
        for conv in self.convs:
            detail = conv(F.relu(detail))
        return x + detail


class FaceApiAgeGender(nn.Module):
    """Crops (b, 3, 112, 112) in [-1, 1] to ages and the probability of a man."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = SameConv2d(3, 32, 3, 2)
        self.reduction_1 = Reduction(32, 64, first=True)
        self.reduction_2 = Reduction(64, 128)
        self.middle = nn.Sequential(Middle(128), Middle(128))
        self.reduction_3 = Reduction(128, 256)
        self.last = SeparableConv2d(256, WIDTH)
        self.age = nn.Linear(WIDTH, 1)
        self.gender = nn.Linear(WIDTH, 2)

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> Self:
        """The network that holds the tensors of `age_gender_state`."""
        return built(cls, state, name=NAME)

    def features(self, crop: Tensor) -> Tensor:
        """What age and gender are read from: (b, 512)."""
        x = F.relu(self.stem(centred_levels(crop, SCALE)))
        x = self.middle(self.reduction_2(self.reduction_1(x)))
        x = F.relu(self.last(self.reduction_3(x)))
        return x.mean((2, 3))

    def forward(self, crop: Tensor) -> AgeGender:
        features = self.features(crop)
        return AgeGender(self.age(features)[:, 0], self.gender(features).softmax(dim=1)[:, 0])


def load_face_api() -> FaceApiAgeGender:
    """The network with the weights in the weights folder; an error says how to get them."""
    manifest, _ = npm_files(
        "face-api", "age_gender_model-weights_manifest.json", "age_gender_model.bin"
    )
    return FaceApiAgeGender.from_state(age_gender_state(read_tfjs(manifest)))


def age_gender_state(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """face-api's `age_gender_model` under our keys."""
    source = Named(tensors, net=NAME)
    state: dict[str, Tensor] = {}

    def take_conv(name: str, key: str) -> None:
        state[f"{name}.weight"] = source.conv(f"{key}/filters")
        state[f"{name}.bias"] = source.vector(f"{key}/bias")

    def take_separable(name: str, key: str) -> None:
        state[f"{name}.depthwise.weight"] = source.depthwise(f"{key}/depthwise_filter")
        state[f"{name}.pointwise.weight"] = source.conv(f"{key}/pointwise_filter")
        state[f"{name}.pointwise.bias"] = source.vector(f"{key}/bias")

    take_conv("stem", "entry_flow/conv_in")
    reductions = (
        "entry_flow/reduction_block_0",
        "entry_flow/reduction_block_1",
        "exit_flow/reduction_block",
    )
    for number, key in enumerate(reductions, 1):
        take_separable(f"reduction_{number}.conv_1", f"{key}/separable_conv0")
        take_separable(f"reduction_{number}.conv_2", f"{key}/separable_conv1")
        take_conv(f"reduction_{number}.expansion", f"{key}/expansion_conv")
    for block in (0, 1):
        for conv in (0, 1, 2):
            key = f"middle_flow/main_block_{block}/separable_conv{conv}"
            take_separable(f"middle.{block}.convs.{conv}", key)
    take_separable("last", "exit_flow/separable_conv")
    for head in ("age", "gender"):
        state[f"{head}.weight"] = source.dense(f"fc/{head}/weights")
        state[f"{head}.bias"] = source.vector(f"fc/{head}/bias")
    source.finish()
    return state
