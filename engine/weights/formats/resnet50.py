"""An age ResNet-50 (He et al. 2016) under the names of VGGFace2's Caffe file or of torchvision."""

import re

from torch import Tensor

from engine.weights.checkpoint import Checkpoint
from engine.weights.formats.base import FORMATS, Content, Format, unwrapped

CAFFE_KEY, TORCHVISION_KEY = "conv1_7x7_s2.weight", "layer1.0.conv1.weight"
TORCHVISION = {"conv1": "1x1_reduce", "conv2": "3x3", "conv3": "1x1_increase"}
UNUSED = ("classifier.", "fc_vgg.")
"""The head over 8631 people that the age network was made from."""


@FORMATS.register("resnet50")
class ResNet50(Format):
    """`age`, under Caffe's names; the fact `layout` is `caffe` or `torchvision`.

    The layouts differ in strides, pooling and normalisation, which no tensor shows.
    """

    label = "an age ResNet-50"

    @staticmethod
    def detect(content: Content) -> bool:
        state = unwrapped(content)
        return CAFFE_KEY in state or TORCHVISION_KEY in state

    @staticmethod
    def read(content: Content, *, ema: bool = True) -> Checkpoint:
        state = unwrapped(content)
        caffe = CAFFE_KEY in state
        renamed = _without_people(state) if caffe else _from_torchvision(state)
        layout = "caffe" if caffe else "torchvision"
        return Checkpoint("resnet50", {"age": renamed}, facts={"layout": layout})


def _without_people(state: dict[str, Tensor]) -> dict[str, Tensor]:
    kept = {key: value for key, value in state.items() if not key.startswith(UNUSED)}
    head = kept.get("classage.weight")
    if head is not None and head.dim() == 4:  # a 1x1 convolution there, a matrix here
        kept["classage.weight"] = head.flatten(1)
    return kept


def _from_torchvision(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {_caffe_name(key): value for key, value in state.items()}


def _caffe_name(key: str) -> str:
    """Caffe's name for a key of torchvision's ResNet.

    >>> _caffe_name("layer2.0.downsample.1.running_mean")
    'conv3_1_1x1_proj_bn.running_mean'
    >>> _caffe_name("layer1.2.bn2.weight"), _caffe_name("bn1.bias")
    ('conv2_3_3x3_bn.weight', 'conv1_7x7_s2_bn.bias')
    """
    key = re.sub(r"^fc(?:\.1)?\.", "classage.", key)
    key = re.sub(r"^conv1\.", "conv1_7x7_s2.", key)
    key = re.sub(r"^bn1\.", "conv1_7x7_s2_bn.", key)
    match = re.fullmatch(r"layer(\d)\.(\d+)\.(conv|bn|downsample\.)(\d)\.(\w+)", key)
    if match is None:
        return key
    stage, block, layer, number, rest = match.groups()
    if layer == "downsample.":
        part, norm = "1x1_proj", number == "1"
    else:
        part, norm = TORCHVISION[f"conv{number}"], layer == "bn"
    return f"conv{int(stage) + 1}_{int(block) + 1}_{part}{'_bn' if norm else ''}.{rest}"
