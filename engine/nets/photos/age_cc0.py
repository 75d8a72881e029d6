"""The CC0 networks of dlib-models (Cydral): age on a ResNet-10, gender on four convolutions.

Both see dlib's face chip with a margin of .2 (`crops.dlib_chip`), the age network at 64 px, the
gender network at 32 px. Shipped in half precision as `age-cc0`.
"""

from collections.abc import Mapping
from typing import Self

import torch
from torch import Tensor, nn

from engine.nets.loading import built
from engine.nets.photos.layers import DlibTrunk, centred_levels

AGE_SIZE, GENDER_SIZE, PADDING = 64, 32, 0.2
"""Pixels of the two chips, and their margin around dlib's mean face."""
AGES = 81
YOUNGEST = 0.25
"""Years that the first class stands for; the others stand for 1 to 80."""
SCALE = 256.0


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
