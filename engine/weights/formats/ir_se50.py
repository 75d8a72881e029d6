"""ArcFace on IR-SE50 (Deng et al. 2019), a bare state dict."""

from engine.weights.checkpoint import Checkpoint
from engine.weights.formats.base import FORMATS, Content, Format, has, state_dict


@FORMATS.register("ir_se50")
class IrSe50(Format):
    """`identity`."""

    label = "IR-SE50"

    @staticmethod
    def detect(content: Content) -> bool:
        return has(content, "input_layer.", "body.0.", "body.23.", "output_layer.")

    @staticmethod
    def read(content: Content, *, ema: bool = True) -> Checkpoint:
        return Checkpoint("ir_se50", {"identity": state_dict(content, "the file")})
