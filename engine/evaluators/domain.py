"""Whether a picture lies in the domain that a model was trained on."""

from dataclasses import dataclass

import torch
from torch import Tensor

from engine.core.errors import PictureError, WeightsError
from engine.core.numbers import Span
from engine.data.domains import Domain
from engine.nets.nano.encoder import NanoEncoder
from engine.nets.timemachine import TimeMachine
from engine.weights.checkpoint import Checkpoint
from engine.worlds.versions import PORTRAITS


@dataclass(frozen=True, slots=True)
class TrainingDomain:
    """The domain and the ages that a model was trained on.

    ood_threshold: OOD score above which a face is out of domain, None where nothing is refused;
    ages: from the youngest to the oldest photo of its person, None for a model of anybody.
    """

    domain: Domain = "photos"
    ood_threshold: float | None = None
    ages: Span | None = None

    @classmethod
    def of(cls, checkpoint: Checkpoint) -> "TrainingDomain":
        """By the facts of a checkpoint; WeightsError for another version of the portrait world."""
        facts = checkpoint.facts
        made_on = checkpoint.card.get("portraits", {}).get("version", PORTRAITS)
        if made_on != PORTRAITS:
            raise WeightsError(
                f"these weights were trained on version {made_on} of the portrait world, "
                f"and this is version {PORTRAITS}",
                hint="use weights of this version of tm",
            )
        ages = facts.get("ages")
        span = None if ages is None else Span(*map(float, ages))
        return cls(facts.get("domain", "photos"), facts.get("ood_threshold"), span)

    def beyond(self, age: float) -> float | None:
        """Years from an age to the nearest of the person's: 0 inside, None without a person.

        >>> known = TrainingDomain(ages=Span(20, 50))
        >>> known.beyond(62), known.beyond(20), known.beyond(12.5), TrainingDomain().beyond(62)
        (12.0, 0.0, 7.5, None)
        """
        if self.ages is None:
            return None
        return round(float(max(self.ages.low - age, age - self.ages.high, 0)), 2)

    @torch.inference_mode()
    def require(self, machine: TimeMachine, face: Tensor) -> None:
        """PictureError for a face (1, 3, s, s) that is out of the model's domain."""
        if isinstance(machine.psp, NanoEncoder):
            self.require_in_domain(machine.psp, face.to(machine.latent_average.device))

    @torch.inference_mode()
    def require_in_domain(self, encoder: NanoEncoder, face: Tensor) -> None:
        """PictureError for a face (1, 3, s, s) that is out of domain by a nano encoder's score."""
        if self.ood_threshold is None:
            return
        score = float(encoder.ood_score(face))
        if score > self.ood_threshold:
            raise PictureError(
                f"is out of the domain of these weights, drawn portraits (OOD score {score:.2f}, "
                f"threshold {self.ood_threshold:g})",
                status="skipped",
            )
