"""The age VGG-16 of the AgeTransformer repository's mixture of experts: DEX under other names."""

import re

from engine.weights.checkpoint import Checkpoint
from engine.weights.formats.base import FORMATS, Content, Format, unwrapped

CONV = re.compile(r"conv\.(\d)\.conv(\d)\.(?:\w+\.)?(weight|bias)")
HEAD = {"fc1": "fc6", "fc2": "fc7", "cls": "fc8_101"}


@FORMATS.register("vgg16")
class Vgg16(Format):
    """`age`, under DEX's names."""

    label = "the age VGG-16"

    @staticmethod
    def detect(content: Content) -> bool:
        return any(CONV.fullmatch(key) for key in unwrapped(content))

    @staticmethod
    def read(content: Content, *, ema: bool = True) -> Checkpoint:
        state = {_dex_name(key): value for key, value in unwrapped(content).items()}
        return Checkpoint("vgg16", {"age": state})


def _dex_name(key: str) -> str:
    """DEX's name for a key of AgeTransformer's VGG-16.

    >>> _dex_name("conv.4.conv3.weight"), _dex_name("fc1.0.bias"), _dex_name("cls.weight")
    ('conv5_3.weight', 'fc6.bias', 'fc8_101.weight')
    """
    if (match := CONV.fullmatch(key)) is not None:
        return f"conv{int(match[1]) + 1}_{match[2]}.{match[3]}"
    head, _, rest = key.partition(".")
    return f"{HEAD.get(head, head)}.{rest.rpartition('.')[2]}"
