"""Who watches over enhanced faces: the judges of photographs, the nano networks of drawn ones."""

from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from engine.data.domains import Domain
from engine.enhance.guard import FaceEvaluator, FaceMeasurement
from engine.evaluators.domain import DomainClassifier
from engine.evaluators.photographs import PhotoEvaluators
from engine.images.ranges import to_tensor
from engine.nets.named import NANO_AGE, NANO_IDENTITY, load_age_estimator, load_identity_network
from engine.nets.nano.trunk import resized

Pixels = NDArray[np.uint8]


class PhotoFaceEvaluator:
    """MiVOLO for the age where its weights are here, ArcFace for the identity or else dlib."""

    def __init__(self, device: torch.device) -> None:
        self.judges = PhotoEvaluators(device)
        self.age_by, self.why_no_age = self.judges.age_by, self.judges.why_no_age
        self.identity_by = self.judges.identity_by

    def look(self, face: Pixels) -> FaceMeasurement:
        picture = to_tensor(face)
        return FaceMeasurement(self.judges.embedding(picture), self.judges.age(picture))

    def alike(self, one: FaceMeasurement, other: FaceMeasurement) -> float:
        return self.judges.identity(other.identity, one.identity).value


class PortraitFaceEvaluator:
    """The nano networks that losses use; the age judge is kept for examinations."""

    identity_by, age_by, why_no_age = NANO_IDENTITY, NANO_AGE, None

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.identity_net = load_identity_network(NANO_IDENTITY, device)
        self.reader = load_age_estimator(NANO_AGE, device)

    @torch.inference_mode()
    def look(self, face: Pixels) -> FaceMeasurement:
        picture = to_tensor(face).to(self.device)
        return FaceMeasurement(
            self.identity_net.embed(picture)[0].cpu(), float(self.reader.years(picture))
        )

    def alike(self, one: FaceMeasurement, other: FaceMeasurement) -> float:
        return float(one.identity @ other.identity)


class Panel:
    """Both kinds of witness, each loaded when the first picture needs it."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._known: dict[str, Any] = {}

    def of(self, domain: Domain) -> FaceEvaluator:
        if domain not in self._known:
            kinds = {"photos": PhotoFaceEvaluator, "portraits": PortraitFaceEvaluator}
            self._known[domain] = kinds[domain](self.device)
        return self._known[domain]

    def domain_of(self, face: Pixels) -> Domain:
        classifier = self._classifier
        return classifier.classify(resized(to_tensor(face), classifier.size))[0]

    @cached_property
    def _classifier(self) -> DomainClassifier:
        return DomainClassifier()


def panel(kind: str) -> Panel:
    """The witnesses on a device; a plain function, which other processes can be given."""
    return Panel(torch.device(kind))
