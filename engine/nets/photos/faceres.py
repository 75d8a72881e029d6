"""FaceRes: age, gender and 1024 identity features on a MobileNet at 224 px.

Savchenko's network (HSE), as npm's `@vladmandic/human` has it. Its training data are for research
only: the weights are fetched by the user, never shipped. It sees dlib's face chip with a margin of
.35 (`crops.dlib_chip`). Raw ages are 8 to 12 years low for adults of 40 and more: calibrate them.
"""

from collections.abc import Mapping
from itertools import pairwise
from typing import NamedTuple, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.core.errors import WeightsError
from engine.nets.loading import built
from engine.nets.photos.layers import SameConv2d, levels
from engine.weights.formats.tfjs import Named, read_tfjs
from engine.weights.npm import npm_files

SIZE, PADDING = 224, 0.35
WIDTHS = (32, 64, 128, 128, 256, 256, *(512,) * 6, 1024, 1024)
"""Channels behind the stem and behind each of the 13 blocks."""
HALVING = frozenset({2, 4, 6, 12})
AGES = 100
NAME = "FaceRes"


class FaceAttributes(NamedTuple):
    """Logits (b, 100) of the ages 0..99, probability of a man (b,), features (b, 1024)."""

    ages: Tensor
    male: Tensor
    features: Tensor

    @property
    def years(self) -> Tensor:
        """Expected ages (b,)."""
        shares = self.ages.softmax(dim=1)
        return shares @ torch.arange(AGES, dtype=shares.dtype, device=shares.device)


class Separable(nn.Module):
    """A 3x3 convolution within channels and one across them, each behind a ReLU up to 6."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.depthwise = SameConv2d(inputs, inputs, 3, stride, groups=inputs)
        self.pointwise = nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        within = F.relu6(self.depthwise(x), inplace=True)
        return F.relu6(self.pointwise(within), inplace=True)


class FaceRes(nn.Module):
    """Chips (b, 3, 224, 224) in [-1, 1] to ages, gender and identity features."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = SameConv2d(3, WIDTHS[0], 3, 2)
        self.blocks = nn.Sequential(
            *(
                Separable(inputs, outputs, 2 if number in HALVING else 1)
                for number, (inputs, outputs) in enumerate(pairwise(WIDTHS), 1)
            )
        )
        self.hidden = nn.Linear(WIDTHS[-1], 256)
        self.age = nn.Linear(256, AGES)
        self.gender = nn.Linear(256, 1)

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> Self:
        """The network that holds the tensors of `faceres_state`."""
        return built(cls, state, name=NAME)

    def features(self, chip: Tensor) -> Tensor:
        """Identity features (b, 1024), none below 0; people are compared by the cosine."""
        return self.blocks(F.relu6(self.stem(levels(chip)))).mean((2, 3))

    def forward(self, chip: Tensor) -> FaceAttributes:
        features = self.features(chip)
        hidden = F.relu(self.hidden(features))
        male = self.gender(hidden)[:, 0].sigmoid()
        return FaceAttributes(self.age(hidden), male, features)


def load_faceres() -> FaceRes:
    """The network with the weights in the weights folder; an error says how to get them."""
    manifest, _ = npm_files("faceres", "faceres.json", "faceres.bin")
    return FaceRes.from_state(faceres_state(read_tfjs(manifest)))


def faceres_state(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of `faceres.json` under our keys, depthwise scalings folded in."""
    source = Named(tensors, net=NAME)
    state = {
        "stem.weight": source.conv("conv1/convolution/merged_input"),
        "stem.bias": source.vector("conv1_bn/batchnorm_1/sub"),
    }
    for number in range(1, len(WIDTHS)):
        block = f"blocks.{number - 1}"
        within, across = f"conv_dw_{number}", f"conv_pw_{number}"
        weight = source.depthwise(f"{within}/depthwise_kernel")
        scale = source.vector(f"{within}_bn/batchnorm_1/mul")
        if len(scale) != len(weight):
            raise WeightsError(
                f"these weights are not those of {NAME}: `{within}` has other channels",
                hint="check that the file is `faceres.json`",
            )
        state[f"{block}.depthwise.weight"] = weight * scale.view(-1, 1, 1, 1)
        state[f"{block}.depthwise.bias"] = source.vector(f"{within}_bn/batchnorm_1/sub")
        state[f"{block}.pointwise.weight"] = source.conv(f"{across}/convolution/merged_input")
        state[f"{block}.pointwise.bias"] = source.vector(f"{across}_bn/batchnorm_1/sub")
    for ours, theirs in (("hidden", "feats"), ("age", "age_pred"), ("gender", "gender_pred")):
        state[f"{ours}.weight"] = source.dense(f"{theirs}/kernel")
        state[f"{ours}.bias"] = source.vector(f"{theirs}/bias")
    for number in range(1, len(WIDTHS)):
        source.drop(f"conv_dw_{number}_relu/", f"conv_pw_{number}_relu/")
    source.drop("conv1_relu/", "global_pooling/")
    source.finish()
    return state
