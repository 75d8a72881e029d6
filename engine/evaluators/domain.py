"""The domain of a picture, and whether it lies in the domain that a model was trained on."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from engine.core.errors import PictureError, WeightsError
from engine.core.numbers import Span
from engine.data.domains import Domain
from engine.nets.loading import frozen
from engine.nets.nano.encoder import NanoEncoder
from engine.nets.timemachine import TimeMachine
from engine.weights.checkpoint import Checkpoint
from engine.weights.find import shipped_weights
from engine.weights.load import read_checkpoint
from engine.worlds.portraits import VERSION

NANO = "nano"
BATCH = 32
DRAWN_SCORE = 1.4
"""OOD score of the nano encoder up to which a face is drawn.

The `ood_threshold` of the weights, 1.9, is for refusing what nano cannot age. To tell the domains
apart it is too wide: it takes 44 % of the 2015 portraits and 20 % of those of 2023 for drawings
(150 `train` people each), evenly lit faces before a plain wall. At 1.4 it is 2.1 % of 420
portraits, and 3.2 % of 600 drawn faces of 96, 128 and 256 px are taken for photographs.
"""


class DomainClassifier:
    """Drawn portraits or photographs, by the OOD score of the shipped nano encoder.

    The encoder was trained on drawn portraits; a face whose score exceeds `DRAWN_SCORE` is a
    photograph.
    """

    def __init__(self, device: torch.device | None = None) -> None:
        checkpoint = read_checkpoint(shipped_weights()[NANO])
        encoder = NanoEncoder.from_state(checkpoint.part("pretrained_encoder"))
        self.device = torch.device("cpu") if device is None else device
        self.encoder = frozen(encoder).to(self.device)

    @property
    def size(self) -> int:
        """Side in px of the faces that are scored."""
        return self.encoder.spec.size

    @torch.inference_mode()
    def scores(self, faces: Tensor) -> list[float]:
        """OOD scores of aligned faces (b, 3, size, size) in [-1, 1]."""
        return [
            score
            for batch in faces.split(BATCH)
            for score in self.encoder.ood_score(batch.to(self.device)).tolist()
        ]

    def classify(self, faces: Tensor) -> list[Domain]:
        """The domain of each of the faces (b, 3, size, size)."""
        return [self._domain(score) for score in self.scores(faces)]

    def classify_set(self, faces: Tensor) -> Domain:
        """The domain of a set of faces (b, 3, size, size), by their median score."""
        return self._domain(float(np.median(self.scores(faces))))

    def _domain(self, score: float) -> Domain:
        return "portraits" if score <= DRAWN_SCORE else "photos"


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
        made_on = checkpoint.card.get("portraits", {}).get("version", VERSION)
        if made_on != VERSION:
            raise WeightsError(
                f"these weights were trained on version {made_on} of the portrait world, "
                f"and this is version {VERSION}",
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
