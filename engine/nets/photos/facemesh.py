"""MediaPipe's face mesh: 468 points in space and a face flag at 192 px (Apache-2.0, Google).

It sees `crops.mesh_crop`. Shipped in half precision as `facemesh`; the branch for eye and lip
contours, which Google's newer file leaves out too, is not part of it.
"""

from collections.abc import Mapping
from typing import NamedTuple, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.nets.loading import built
from engine.nets.photos.layers import SameConv2d
from engine.weights.find import find_weights
from engine.weights.formats.tfjs import Named
from engine.weights.load import read_checkpoint

SIZE = 192
POINTS = 468
TRUNK = (16, 16, 16, 32, 32, 32, 64, 64, 64, 128, 128, 128, 128, 128, 128)
"""Channels behind the stem and behind each of the 14 blocks."""
HALVING = frozenset({3, 6, 9, 12})
NARROW = 32
"""Channels in front of either head."""
NAME = "MediaPipe's face mesh"
PREFIX = "StatefulPartitionedCall/model_1/"
CONTOURS = (
    *(f"depthwise_conv2d_{number}/" for number in range(19, 23)),
    *(f"conv2d_{number}/" for number in range(22, 28)),
    *(f"p_re_lu_{number}/" for number in range(21, 26)),
)
"""What belongs to the branch that is left out."""


class Mesh(NamedTuple):
    """Points (b, 468, 3) as x, y in crop pixels and a depth of that unit; flag (b,) in 0..1."""

    points: Tensor
    flag: Tensor


class Block(nn.Module):
    """A 3x3 convolution within channels and one across them, beside a shortcut; then a PReLU."""

    def __init__(self, inputs: int, outputs: int, *, halves: bool = False) -> None:
        super().__init__()
        self.halves = halves
        self.depthwise = SameConv2d(inputs, inputs, 3, 1 + halves, groups=inputs, bias=False)
        self.pointwise = nn.Conv2d(inputs, outputs, 1)
        self.slope = nn.PReLU(outputs)

    def forward(self, x: Tensor) -> Tensor:
        detail = self.pointwise(self.depthwise(x))
        kept = F.max_pool2d(x, 2) if self.halves else x
        more = detail.shape[1] - kept.shape[1]
        return self.slope(detail + F.pad(kept, (0, 0, 0, 0, 0, more)))


class FaceMesh(nn.Module):
    """Crops (b, 3, 192, 192) in [-1, 1] to points and the probability of a face."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(SameConv2d(3, TRUNK[0], 3, 2), nn.PReLU(TRUNK[0]))
        self.trunk = nn.Sequential(
            *(
                Block(TRUNK[number - 1], TRUNK[number], halves=number in HALVING)
                for number in range(1, len(TRUNK))
            )
        )
        width = TRUNK[-1]
        self.mesh = nn.Sequential(
            Block(width, width, halves=True),
            Block(width, width),
            Block(width, width),
            *_head(width, POINTS * 3),
        )
        self.flag = nn.Sequential(Block(width, width, halves=True), *_head(width, 1))

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> Self:
        """The network that holds the tensors of `facemesh_state`."""
        return built(cls, state, name=NAME)

    def forward(self, crop: Tensor) -> Mesh:
        light = ((crop + 1) / 2).contiguous(memory_format=torch.channels_last)
        trunk = self.trunk(self.stem(light))
        points = self.mesh(trunk).reshape(len(crop), POINTS, 3)
        return Mesh(points, self.flag(trunk).flatten().sigmoid())


def _head(width: int, outputs: int) -> list[nn.Module]:
    """From a map of 3x3 to `outputs` numbers."""
    return [
        nn.Conv2d(width, NARROW, 1),
        nn.PReLU(NARROW),
        Block(NARROW, NARROW),
        nn.Conv2d(NARROW, outputs, 3),
    ]


def load_facemesh() -> FaceMesh:
    """The network with the weights that ship with tm."""
    return FaceMesh.from_state(read_checkpoint(find_weights("facemesh")).part("mesh"))


def facemesh_state(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of `facemesh.json` under our keys, without the contours."""
    source = Named(tensors, net=NAME)
    state: dict[str, Tensor] = {}

    def take_slopes(name: str, number: int) -> None:
        state[f"{name}.weight"] = source.vector(f"{PREFIX}p_re_lu_{number}/Neg")

    def take_conv(name: str, number: int) -> None:
        key = f"{PREFIX}conv2d_{number}/Conv2D"
        state[f"{name}.weight"] = source.conv(f"{key}_weights")
        state[f"{name}.bias"] = source.vector(f"{key}_bn_offset")

    def take_last(name: str, number: int) -> None:
        key = f"{PREFIX}conv2d_{number}"
        state[f"{name}.weight"] = source.conv(f"{key}/Conv2D/ReadVariableOp")
        state[f"{name}.bias"] = source.vector(f"{key}/BiasAdd/ReadVariableOp")

    def take_block(name: str, depthwise: int, conv: int, slopes: int) -> None:
        key = f"{PREFIX}depthwise_conv2d_{depthwise}/depthwise/ReadVariableOp"
        state[f"{name}.depthwise.weight"] = source.depthwise(key)
        take_conv(f"{name}.pointwise", conv)
        take_slopes(f"{name}.slope", slopes)

    take_conv("stem.0", 1)
    take_slopes("stem.1", 1)
    for number in range(1, len(TRUNK)):
        take_block(f"trunk.{number - 1}", number, number + 1, number + 1)
    for place, number in enumerate((15, 16, 17)):
        take_block(f"mesh.{place}", number, number + 1, number + 1)
    take_conv("mesh.3", 19)
    take_slopes("mesh.4", 19)
    take_block("mesh.5", 18, 20, 20)
    take_last("mesh.6", 21)
    take_block("flag.0", 23, 28, 26)
    take_conv("flag.1", 29)
    take_slopes("flag.2", 27)
    take_block("flag.3", 24, 30, 28)
    take_last("flag.4", 31)
    source.drop(*(f"{PREFIX}{part}" for part in CONTOURS))
    source.drop(*(f"{PREFIX}channel_padding_{number}/" for number in (1, 2, 3)))
    source.drop(*(f"{PREFIX}output_{part}/" for part in ("mesh", "faceflag", "contours")))
    source.finish()
    return state
