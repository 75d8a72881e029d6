"""AgeTransformer: StyleSwin behind an encoder, in the container of rosinality's trainer."""

from engine.weights.checkpoint import Checkpoint
from engine.weights.formats.base import FORMATS, Content, Format, has, step_of
from engine.weights.formats.rosinality import generator_keys, generator_parts


@FORMATS.register("agetransformer")
class AgeTransformer(Format):
    """`generator` and, where it is kept, `discriminator`."""

    label = "AgeTransformer"

    @staticmethod
    def detect(content: Content) -> bool:
        return has(generator_keys(content), "convs_e.", "layers.")

    @staticmethod
    def read(content: Content, *, ema: bool = True) -> Checkpoint:
        parts, averaged = generator_parts(content, "generator", ema=ema)
        return Checkpoint("agetransformer", parts, step=step_of(content), ema=averaged)
