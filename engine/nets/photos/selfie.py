"""MediaPipe's selfie segmentation: where a person is, at 256 px (Apache-2.0, Google).

A MobileNetV3 with squeeze-and-excitation and a gated decoder (`crops.whole` squeezes a picture to
its size). Shipped in half precision as `selfie`.
"""

from collections.abc import Mapping
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.nets.loading import built
from engine.nets.photos.layers import SameConv2d
from engine.weights.find import find_weights
from engine.weights.formats.tfjs import Named
from engine.weights.load import read_checkpoint

SIZE = 256
NAME = "MediaPipe's selfie segmentation"
STAGES = (
    # inputs, expanded, outputs, kernel, stride, squeezed (0: no gate), hard swish
    (16, 16, 16, 3, 2, 8, False),
    (16, 72, 24, 3, 2, 0, False),
    (24, 88, 24, 3, 1, 0, False),
    (24, 96, 32, 5, 2, 24, True),
    (32, 128, 32, 5, 1, 32, True),
    (32, 128, 32, 5, 1, 32, True),
    (32, 96, 32, 5, 1, 24, True),
    (32, 96, 32, 5, 1, 24, True),
)
SKIPS = (0, 2)
"""The stages whose maps the decoder sees again, beside the stem."""
SIXTH = 0.1666259765625


class HardSwish(nn.Module):
    """x * relu6(x + 3) / 6, with the sixth in half precision as in Google's file."""

    def forward(self, x: Tensor) -> Tensor:
        return x * SIXTH * F.relu6(x + 3)


class Gate(nn.Module):
    """Which channels matter, from the mean of each: (b, c, 1, 1) in 0..1."""

    def __init__(self, channels: int, squeezed: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, squeezed, 1)
        self.excite = nn.Conv2d(squeezed, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        mean = x.mean((2, 3), keepdim=True)
        return self.excite(F.relu(self.squeeze(mean))).sigmoid()


class Stage(nn.Module):
    """An inverted residual block of MobileNetV3."""

    def __init__(
        self,
        inputs: int,
        expanded: int,
        outputs: int,
        kernel: int,
        stride: int,
        squeezed: int,
        swish: bool,
    ) -> None:
        super().__init__()
        self.shortcut = inputs == outputs and stride == 1
        self.act = HardSwish() if swish else nn.ReLU()
        self.expand = nn.Conv2d(inputs, expanded, 1)
        self.depthwise = SameConv2d(expanded, expanded, kernel, stride, groups=expanded)
        self.gate = Gate(expanded, squeezed) if squeezed else None
        self.project = nn.Conv2d(expanded, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        detail = self.act(self.depthwise(self.act(self.expand(x))))
        if self.gate is not None:
            detail = detail * self.gate(detail)
        detail = self.project(detail)
        return detail + x if self.shortcut else detail


class Head(nn.Module):
    """The deepest map, widened and gated by its own mean."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.widen = nn.Conv2d(inputs, outputs, 1)
        self.gate = nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        mean = x.mean((2, 3), keepdim=True)
        return F.relu(self.widen(x)) * self.gate(mean).sigmoid()


class Decoder(nn.Module):
    """Twice the size, and the encoder's map of that size added where the gate opens."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.narrow = nn.Conv2d(inputs, outputs, 1)
        self.gate = Gate(outputs, outputs)
        self.mix = nn.Conv2d(outputs, outputs, 1)
        self.depthwise = SameConv2d(outputs, outputs, 3, groups=outputs)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
        x = self.narrow(x)
        x = F.relu(self.mix(skip * self.gate(x + skip) + x))
        return x + F.relu(self.depthwise(x))


class Selfie(nn.Module):
    """Pictures (b, 3, 256, 256) in [-1, 1] to person masks (b, 1, 256, 256) in 0..1."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = SameConv2d(3, 16, 3, 2)
        self.swish = HardSwish()
        self.stages = nn.ModuleList(Stage(*stage) for stage in STAGES)
        self.head = Head(32, 128)
        self.decoders = nn.ModuleList((Decoder(128, 24), Decoder(24, 16), Decoder(16, 16)))
        self.last = nn.ConvTranspose2d(16, 1, 2, 2)

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> Self:
        """The network that holds the tensors of `selfie_state`."""
        return built(cls, state, name=NAME)

    def forward(self, picture: Tensor) -> Tensor:
        x = self.swish(self.stem((picture + 1) / 2))
        skips = [x]
        for number, stage in enumerate(self.stages):
            x = stage(x)
            if number in SKIPS:
                skips.append(x)
        x = self.head(x)
        for decoder in self.decoders:
            x = decoder(x, skips.pop())
        return self.last(x).sigmoid()


def load_selfie() -> Selfie:
    """The network with the weights that ship with tm."""
    return Selfie.from_state(read_checkpoint(find_weights("selfie")).part("person"))


def selfie_state(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of `selfie.json` under our keys.

    The file numbers its convolutions in the order in which our network has them.
    """
    source = Named(tensors, net=NAME)
    with torch.device("meta"):
        net = Selfie()
    state: dict[str, Tensor] = {}
    convs = [(name, m) for name, m in net.named_modules() if isinstance(m, nn.Conv2d)]
    plain = [name for name, conv in convs if conv.groups == 1]
    within = [name for name, conv in convs if conv.groups > 1]
    for number, name in enumerate(plain, 1):
        key = "Conv2D" if number == 1 else f"Conv2D_{number}"
        state[f"{name}.weight"] = source.conv(f"{key}/filter")
        bias = "conv2d_1/y" if number == 1 else f"conv2d_{number - 1}_1/y"
        state[f"{name}.bias"] = source.vector(bias)
    for number, name in enumerate(within):
        end = f"_{number}" if number else ""
        state[f"{name}.weight"] = source.depthwise(f"depthwise{end}/filter_in")
        state[f"{name}.bias"] = source.vector(f"depthwise_conv2d{end}/y")
    state["last.weight"] = source.conv("segment/filter")
    state["last.bias"] = source.vector("segment_add/y")
    for number in range(12):
        end = f"_{number}" if number else ""
        source.drop(f"add{end}/y", f"mul_{2 * number + 1}/y", f"up_sampling2d{end}_lambda/")
    source.drop("segment/input_sizes")
    source.finish()
    return state
