"""The gate over four age experts of the AgeTransformer repository."""

from engine.weights.checkpoint import Checkpoint
from engine.weights.formats.base import FORMATS, Content, Format, has, unwrapped


@FORMATS.register("age_gate")
class AgeGate(Format):
    """`gate`."""

    label = "the gate of four age experts"

    @staticmethod
    def detect(content: Content) -> bool:
        return has(unwrapped(content), "gating.", "expert_mlps.0.")

    @staticmethod
    def read(content: Content, *, ema: bool = True) -> Checkpoint:
        return Checkpoint("age_gate", {"gate": unwrapped(content)})
