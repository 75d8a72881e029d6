"""Who watches over enhanced faces: the judges of photographs, the nano networks of drawn ones."""

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from engine.enhance.guard import FaceEvaluator, FaceMeasurement
from engine.enhance.models import Domain
from engine.evaluators.photographs import PhotoEvaluators
from engine.images.ranges import to_tensor
from engine.nets.named import NANO_AGE, NANO_IDENTITY, load_age_estimator, load_identity_network
from engine.nets.nano.encoder import NanoEncoder
from engine.nets.nano.trunk import resized
from engine.weights.find import shipped_weights
from engine.weights.load import read_checkpoint

Pixels = NDArray[np.uint8]
LOOKED_AT = 128


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

    @torch.inference_mode()
    def domain_of(self, face: Pixels) -> Domain:
        encoder, limit = self._nano
        picture = resized(to_tensor(face), LOOKED_AT)
        return "portraits" if float(encoder.ood_score(picture)) <= limit else "photos"

    @cached_property
    def _nano(self) -> tuple[NanoEncoder, float]:
        """The shipped encoder, which knows drawn portraits when it sees one, and its limit."""
        path: Path = shipped_weights()["nano"]
        checkpoint = read_checkpoint(path)
        encoder = NanoEncoder.from_state(checkpoint.part("pretrained_encoder")).eval()
        return encoder, float(checkpoint.facts["ood_threshold"])


def panel(kind: str) -> Panel:
    """The witnesses on a device; a plain function, which other processes can be given."""
    return Panel(torch.device(kind))
