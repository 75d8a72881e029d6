"""ImageNet backbones of LPIPS (Zhang et al. 2018) in torchvision's files: bare state dicts."""

import re

from engine.weights.checkpoint import Checkpoint
from engine.weights.formats.base import FORMATS, Content, Format, state_dict

CONVOLUTION = re.compile(r"features\.(\d+)\.(?:squeeze\.)?weight")
LAYERS = {
    "alex": {0, 3, 6, 8, 10},
    "vgg": {0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28},
    "squeeze": {0, 3, 4, 6, 7, 9, 10, 11, 12},
}
"""Where the convolutions, or Fire modules, stand in `features`."""


@FORMATS.register("backbone")
class Backbone(Format):
    """`backbone`; the fact `network` is `alex`, `vgg` or `squeeze`."""

    label = "LPIPS's backbones"

    @staticmethod
    def detect(content: Content) -> bool:
        return _network(content) is not None

    @staticmethod
    def read(content: Content, *, ema: bool = True) -> Checkpoint:
        state = state_dict(content, "the file")
        return Checkpoint("backbone", {"backbone": state}, facts={"network": _network(content)})


def _network(content: Content) -> str | None:
    layers = {int(match[1]) for key in content if (match := CONVOLUTION.fullmatch(key))}
    return next((name for name, known in LAYERS.items() if layers == known), None)
