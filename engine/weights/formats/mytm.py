"""MyTimeMachine (Qi et al. 2025): SAM with a personal adapter, `blender` in the file."""

from engine.weights.checkpoint import Checkpoint
from engine.weights.formats.base import FORMATS, Content, Format, plain_options
from engine.weights.formats.psp import checkpoint_of, variant_of, weights_of

WITHOUT_ADAPTER = ("orig", "orig_nn", "tune_no_psp", "tune_psp")
"""Coaches that trained the encoder itself; inference goes through the adapter after all others."""


@FORMATS.register("mytm")
class MyTimeMachine(Format):
    """SAM's parts and `adapter`."""

    label = "MyTimeMachine"

    @staticmethod
    def detect(content: Content) -> bool:
        return variant_of(content) == "mytm"

    @staticmethod
    def read(content: Content, *, ema: bool = True) -> Checkpoint:
        coach = plain_options(content.get("opts")).get("coach")
        untrained = coach in WITHOUT_ADAPTER
        return checkpoint_of("mytm", content, weights_of(content), untrained_adapter=untrained)
