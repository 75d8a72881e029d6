"""Inception v3 of 2015 in the file of torch-fidelity and pytorch-fid, a bare state dict."""

from engine.weights.checkpoint import Checkpoint
from engine.weights.formats.base import FORMATS, Content, Format, has, state_dict


@FORMATS.register("inception")
class Inception(Format):
    """`features`."""

    label = "the Inception of 2015"

    @staticmethod
    def detect(content: Content) -> bool:
        return has(content, "Conv2d_1a_3x3.", "Mixed_5b.", "Mixed_7c.", "fc.")

    @staticmethod
    def read(content: Content, *, ema: bool = True) -> Checkpoint:
        return Checkpoint("inception", {"features": state_dict(content, "the file")})
