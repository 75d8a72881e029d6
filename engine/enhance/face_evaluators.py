"""The evaluators behind the guard: published networks for photographs, nano ones for portraits."""

from typing import Any

import torch

from engine.data.domains import Domain
from engine.enhance.guard import FaceEvaluator, FaceMeasurement, Pixels
from engine.evaluators.drawn import domain_of
from engine.evaluators.photographs import PhotoEvaluators
from engine.faces.descriptor import aligned_box, describe_aligned
from engine.faces.fitting import fit_points
from engine.images.ranges import to_tensor
from engine.nets.named import NANO_AGE, NANO_IDENTITY, load_age_estimator, load_identity_network
from engine.nets.photos.age_cc0 import PADDING
from engine.nets.photos.estimator import Cc0Estimator


class PhotoFaceEvaluator:
    """For the age MiVOLO where its weights are installed, else the CC0 network in the package; for
    the identity ArcFace where its weights are installed, else dlib.

    The guard compares raw years of one chip: on untouched portraits of known age their slope is
    .72, so that a drift of 2 years by it is one of nearly 3.
    """

    why_no_age = None

    def __init__(self, device: torch.device) -> None:
        self.evaluators = PhotoEvaluators(device)
        self.identity_by = self.evaluators.identity_by
        absent = self.evaluators.age_by is None
        self._cc0 = Cc0Estimator(device, margins=(PADDING,)) if absent else None
        self.age_by = self.evaluators.age_by if self._cc0 is None else self._cc0.name

    def measure(self, face: Pixels) -> FaceMeasurement:
        picture = to_tensor(face)
        if self._cc0 is None:
            age = self.evaluators.age(picture)
        else:
            points = torch.from_numpy(fit_points(face, aligned_box(face.shape[0])))
            age = self._cc0.raw_years(picture, points)
        return FaceMeasurement(self.evaluators.embedding(picture), age)

    def similarity(self, one: FaceMeasurement, other: FaceMeasurement) -> float:
        return self.evaluators.identity(other.identity, one.identity).value


class PortraitFaceEvaluator:
    """The nano networks that losses use; the independent age evaluator is kept for evaluation."""

    identity_by, age_by, why_no_age = NANO_IDENTITY, NANO_AGE, None

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.identity_net = load_identity_network(NANO_IDENTITY, device)
        self.age_net = load_age_estimator(NANO_AGE, device)

    @torch.inference_mode()
    def measure(self, face: Pixels) -> FaceMeasurement:
        picture = to_tensor(face).to(self.device)
        return FaceMeasurement(
            self.identity_net.embed(picture)[0].cpu(), float(self.age_net.years(picture))
        )

    def similarity(self, one: FaceMeasurement, other: FaceMeasurement) -> float:
        return float(one.identity @ other.identity)


class FaceEvaluators:
    """A `FaceEvaluatorFactory` that loads an evaluator when the first picture needs it."""

    def __init__(self, device: str) -> None:
        self.device = torch.device(device)
        self._loaded: dict[str, Any] = {}

    def for_domain(self, domain: Domain) -> FaceEvaluator:
        if domain not in self._loaded:
            kinds = {"photos": PhotoFaceEvaluator, "portraits": PortraitFaceEvaluator}
            self._loaded[domain] = kinds[domain](self.device)
        return self._loaded[domain]

    def domain_of(self, face: Pixels) -> Domain:
        return domain_of(describe_aligned(face))
