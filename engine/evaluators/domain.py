"""Which pictures a model knows: what lies outside is told, not aged into nonsense."""

from dataclasses import dataclass

import torch
from torch import Tensor

from engine.core.errors import PictureError, WeightsError
from engine.core.numbers import Span
from engine.data.domains import Domain
from engine.nets.nano.encoder import NanoEncoder
from engine.nets.timemachine import TimeMachine
from engine.weights.checkpoint import Checkpoint
from engine.worlds.portraits import VERSION


@dataclass(frozen=True, slots=True)
class TrainingDomain:
    """What a model was trained on; `ood_threshold` is the limit of ood_score, None for no limit.

    ages: from the youngest to the oldest photo of its person, None for a model of anybody.
    """

    domain: Domain = "photos"
    ood_threshold: float | None = None
    ages: Span | None = None

    @classmethod
    def of(cls, checkpoint: Checkpoint) -> "TrainingDomain":
        """What the facts of a checkpoint say; WeightsError for another look of the world."""
        facts = checkpoint.facts
        made_on = checkpoint.card.get("portraits", {}).get("version", VERSION)
        if made_on != VERSION:
            raise WeightsError(
                f"these weights were trained on version {made_on} of the portrait world, "
                f"and this is version {VERSION}",
                hint="use weights of this version of tm",
            )
        ages = facts.get("ages")
        learned = None if ages is None else Span(*map(float, ages))
        return cls(facts.get("domain", "photos"), facts.get("ood_threshold"), learned)

    def beyond(self, age: float) -> float | None:
        """Years from an age to the nearest of the person's: 0 inside, None where nobody is meant.

        >>> known = TrainingDomain(ages=Span(20, 50))
        >>> known.beyond(62), known.beyond(20), known.beyond(12.5), TrainingDomain().beyond(62)
        (12.0, 0.0, 7.5, None)
        """
        if self.ages is None:
            return None
        return round(float(max(self.ages.low - age, age - self.ages.high, 0)), 2)

    @torch.inference_mode()
    def require(self, machine: TimeMachine, face: Tensor) -> None:
        """PictureError for a face (1, 3, s, s) that is none of those the model knows."""
        if isinstance(machine.psp, NanoEncoder):
            self.require_like(machine.psp, face.to(machine.latent_average.device))

    @torch.inference_mode()
    def require_like(self, encoder: NanoEncoder, face: Tensor) -> None:
        """The same by any nano encoder, for a face on its device."""
        if self.ood_threshold is None:
            return
        strange = float(encoder.ood_score(face))
        if strange > self.ood_threshold:
            raise PictureError(
                f"is outside what these weights know, drawn portraits (ood_score {strange:.2f}, "
                f"limit {self.ood_threshold:g})",
                status="skipped",
            )
