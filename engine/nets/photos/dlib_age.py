"""An age from what dlib's descriptor network sees: a line on its features, fitted by us.

The network was trained to recognise people, yet what it pools over the face holds their age
(transfer by a linear head, as in Donahue et al., DeCAF, 2014). Its weights come with
`face_recognition_models` (CC0); the head of 769 numbers ships as `dlib-age`.
"""

from collections.abc import Mapping
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.core.errors import WeightsError
from engine.nets.loading import faults
from engine.nets.photos.dlib_resnet import BLOCKS, FIRST_BLOCK, SCALE, DlibResNet, load_dlib_resnet
from engine.nets.photos.layers import centred_levels

WEIGHTS = "dlib-age"
MAP_WIDTH = 128
"""Channels of the map that is read beside the last features."""
MAP_LAYER = FIRST_BLOCK + max(at for at, width in enumerate(BLOCKS) if width == MAP_WIDTH)
"""The layer of the trunk behind which it is read."""
FEATURES = BLOCKS[-1] + 4 * MAP_WIDTH
"""The pooled last map (256); of the earlier one the middle column of 3 x 3 cells, top to bottom,
and the mean of the cells left and right of it. The corners, where the background is, are left out.
"""


class DlibAge(nn.Module):
    """Chips (b, 3, 150, 150) in [-1, 1] to years (b,)."""

    def __init__(self) -> None:
        super().__init__()
        self.descriptor = DlibResNet()
        self.head = nn.Linear(FEATURES, 1)

    @classmethod
    def from_head(cls, state: Mapping[str, Tensor], descriptor: DlibResNet | None = None) -> Self:
        """The network with a fitted head (`weight` (1, 768), `bias` (1,)) on dlib's own weights.

        WeightsError for tensors of another shape.
        """
        net = cls()
        if problems := faults(net.head, state):
            raise WeightsError(
                f"these weights are not those of the age line on dlib: {'; '.join(problems)}",
                hint="give `dlib-age`, which is in the package",
            )
        net.descriptor = load_dlib_resnet() if descriptor is None else descriptor
        net.head.load_state_dict({key: tensor.float() for key, tensor in state.items()})
        return net

    def features(self, chip: Tensor) -> Tensor:
        """What the line reads: (b, 768)."""
        x = centred_levels(chip, SCALE)
        pooled = [x]
        for number, layer in enumerate(self.descriptor.trunk):
            x = layer(x)
            if number == MAP_LAYER:
                cells = F.adaptive_avg_pool2d(x, 3)
                pooled = [cells[..., 1].flatten(1), (cells[:, :, 1, 0] + cells[:, :, 1, 2]) / 2]
        return torch.cat([x, *pooled], dim=1)

    def forward(self, chip: Tensor) -> Tensor:
        return self.head(self.features(chip))[:, 0]
