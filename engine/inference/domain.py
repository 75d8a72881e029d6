"""Which pictures a model knows: what lies outside is told, not aged into nonsense."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from engine.core.errors import PictureError, WeightsError
from engine.nets.nano.encoder import NanoEncoder
from engine.nets.timemachine import TimeMachine
from engine.weights.checkpoint import Checkpoint
from engine.worlds.portraits import VERSION

Domain = Literal["portraits", "photos"]


@dataclass(frozen=True, slots=True)
class Known:
    """What a model was trained on; `familiar` is the limit of strangeness, None for no limit."""

    domain: Domain = "photos"
    familiar: float | None = None

    @classmethod
    def of(cls, checkpoint: Checkpoint) -> "Known":
        """What the facts of a checkpoint say; WeightsError for another look of the world."""
        facts = checkpoint.facts
        made_on = checkpoint.card.get("portraits", {}).get("version", VERSION)
        if made_on != VERSION:
            raise WeightsError(
                f"these weights were trained on version {made_on} of the portrait world, "
                f"and this is version {VERSION}",
                hint="use weights of this version of tm",
            )
        return cls(facts.get("domain", "photos"), facts.get("familiar"))

    @torch.inference_mode()
    def require(self, machine: TimeMachine, face: Tensor) -> None:
        """PictureError for a face (1, 3, s, s) that is none of those the model knows."""
        if self.familiar is None or not isinstance(machine.psp, NanoEncoder):
            return
        strange = float(machine.psp.strangeness(face.to(machine.latent_average.device)))
        if strange > self.familiar:
            raise PictureError(
                f"is outside what these weights know, drawn portraits (strangeness {strange:.2f}, "
                f"limit {self.familiar:g})",
                status="skipped",
            )
