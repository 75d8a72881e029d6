"""SAM, the global ageing prior (Alaluf et al. 2021)."""

from engine.weights.checkpoint import Checkpoint
from engine.weights.formats.base import FORMATS, Content, Format
from engine.weights.formats.psp import checkpoint_of, variant_of, weights_of


@FORMATS.register("sam")
class Sam(Format):
    """`encoder` (RGB and age plane), `pretrained_encoder` (pSp's) and `decoder` (StyleGAN2)."""

    label = "SAM"

    @staticmethod
    def detect(content: Content) -> bool:
        return variant_of(content) == "sam"

    @staticmethod
    def read(content: Content, *, ema: bool = True) -> Checkpoint:
        return checkpoint_of("sam", content, weights_of(content))
