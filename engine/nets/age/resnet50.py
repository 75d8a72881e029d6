"""ResNet-50 to age logits, in VGGFace2's Caffe layout or in torchvision's (He et al. 2016).

The two differ in more than names: Caffe's strides stand on the first 1x1 convolution of a block,
torchvision's on the 3x3, and the first pooling pads or does not.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from typing import Literal, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.core.errors import WeightsError
from engine.nets.age.dex_vgg import expected_age
from engine.nets.age.mivolo import imagenet
from engine.nets.loading import built

Layout = Literal["caffe", "torchvision"]
FACE_MEAN = (131.0912, 103.8827, 91.4953)
"""RGB in 0..255 of VGGFace2, as the metadata of its published networks states it."""
EXPANSION = 4


@dataclass(frozen=True, slots=True)
class ResNetSpec:
    """Layout, width of the stem, blocks of the four stages, ages 0..bins-1; the input is 224 px."""

    layout: Layout = "caffe"
    width: int = 64
    blocks: tuple[int, ...] = (3, 4, 6, 3)
    bins: int = 101
    size: int = 224

    @classmethod
    def of(cls, state: Mapping[str, Tensor], layout: Layout) -> Self:
        """Read the shape off a state dict under Caffe's names."""
        try:
            width = state["conv1_7x7_s2.weight"].shape[0]
            bins = state["classage.weight"].shape[0]
        except KeyError as error:
            raise WeightsError(f"{error} is missing: this is no ResNet-50 for ages") from error
        blocks = tuple(
            next(n for n in count(1) if f"conv{stage}_{n}_3x3.weight" not in state) - 1
            for stage in range(2, 6)
        )
        return cls(layout, width, blocks, bins)


class AgeResNet(nn.Module):
    """Portraits (b, 3, h, w) in [-1, 1] to age logits (b, 101); `age` gives years.

    Caffe's layout is fed RGB in 0..255 less the mean of VGGFace2, torchvision's ImageNet's
    normalisation. (The AgeTransformer repository feeds the former BGR without any mean.)
    """

    def __init__(self, spec: ResNetSpec | None = None) -> None:
        super().__init__()
        self.spec = spec = ResNetSpec() if spec is None else spec
        self._add("conv1_7x7_s2", nn.Conv2d(3, spec.width, 7, 2, 3, bias=False))
        inputs = spec.width
        for stage, blocks in enumerate(spec.blocks, start=2):
            narrow = spec.width * 2 ** (stage - 2)
            for block in range(1, blocks + 1):
                stride = 2 if block == 1 and stage > 2 else 1
                early, late = (stride, 1) if spec.layout == "caffe" else (1, stride)
                name, outputs = f"conv{stage}_{block}", narrow * EXPANSION
                self._add(f"{name}_1x1_reduce", nn.Conv2d(inputs, narrow, 1, early, bias=False))
                self._add(f"{name}_3x3", nn.Conv2d(narrow, narrow, 3, late, 1, bias=False))
                self._add(f"{name}_1x1_increase", nn.Conv2d(narrow, outputs, 1, bias=False))
                if block == 1:
                    self._add(f"{name}_1x1_proj", nn.Conv2d(inputs, outputs, 1, stride, bias=False))
                inputs = outputs
        self.classage = nn.Linear(inputs, spec.bins)

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor], layout: Layout) -> Self:
        """The network of a state dict under Caffe's names, holding its tensors."""
        spec = ResNetSpec.of(state, layout)
        return built(lambda: cls(spec), state, name=f"a ResNet-50 for ages ({layout} layout)")

    def forward(self, portrait: Tensor) -> Tensor:
        x = self.prepared(portrait).contiguous(memory_format=torch.channels_last)
        x = self._apply_named("conv1_7x7_s2", x).relu_()
        if self.spec.layout == "caffe":
            x = F.max_pool2d(x, 3, 2, ceil_mode=True)
        else:
            x = F.max_pool2d(x, 3, 2, padding=1)
        for stage, blocks in enumerate(self.spec.blocks, start=2):
            for block in range(1, blocks + 1):
                x = self._block(f"conv{stage}_{block}", x)
        return self.classage(x.mean(dim=(2, 3))).float()

    def prepared(self, portrait: Tensor) -> Tensor:
        """Portraits as the layout's weights were trained on them, at the network's size."""
        size = self.spec.size
        if portrait.shape[2:] != (size, size):
            portrait = F.interpolate(portrait, size=(size, size), mode="bilinear", antialias=True)
        if self.spec.layout == "torchvision":
            return imagenet(portrait)
        return (portrait + 1) * 127.5 - portrait.new_tensor(FACE_MEAN).view(1, 3, 1, 1)

    def age(self, portrait: Tensor) -> Tensor:
        """Expected age in years (b,)."""
        return expected_age(self(portrait))

    def _add(self, name: str, conv: nn.Conv2d) -> None:
        self.add_module(name, conv)
        self.add_module(f"{name}_bn", nn.BatchNorm2d(conv.out_channels))

    def _apply_named(self, name: str, x: Tensor) -> Tensor:
        return self.get_submodule(f"{name}_bn")(self.get_submodule(name)(x))

    def _block(self, name: str, x: Tensor) -> Tensor:
        detail = self._apply_named(f"{name}_1x1_reduce", x).relu_()
        detail = self._apply_named(f"{name}_3x3", detail).relu_()
        detail = self._apply_named(f"{name}_1x1_increase", detail)
        first = name.endswith("_1")
        return detail.add_(self._apply_named(f"{name}_1x1_proj", x) if first else x).relu_()
