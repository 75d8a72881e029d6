"""What a portrait shows, by estimators that are named: its age, and whether it is the person."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from engine.core.places import weights_folder
from engine.evaluators.domain import Domain
from engine.faces.descriptor import describe_aligned
from engine.images.ranges import to_pixels, to_tensor
from engine.nets.identity.ir_se50 import ALIGNED, ArcFace
from engine.nets.loading import frozen
from engine.nets.named import load_age_estimator
from engine.weights.folder import status_of
from engine.weights.load import read_known
from engine.weights.manifest import known_weights

if TYPE_CHECKING:
    from engine.nets.age.mivolo import AgeScale, MiVolo

ARCFACE, MIVOLO, DLIB, NANO = "ir-se50", "mivolo", "dlib", "nano-age-judge"
IMPOSTOR_DISTANCE = 0.8
"""What counts as a stranger's dlib distance in photos: a third above dlib's own limit of 0.6 for
the same person. A convention until it is measured on photos by age, sex and skin; it stands beside
every figure made with it."""
DRAWN_IMPOSTOR_DISTANCE = 0.48
"""The same among drawn portraits: the mean over strata of age, sex and skin, which lie between 0.43
and 0.52 (`benchmarks/nano.py`, 100 people in two photographs at nine ages)."""


@dataclass(frozen=True, slots=True)
class Identity:
    """How alike two faces are by one judge: for dlib `1 - d/d0`, for ArcFace the cosine."""

    value: float
    judge: str
    strangers: float | None = None
    """d0, where the judge has one."""


class PhotoEvaluators:
    """Whichever estimators have their weights here: MiVOLO for the age, ArcFace or else dlib.

    Drawn portraits are judged by the nano age judge, which is in no loss, and by dlib.
    """

    def __init__(self, device: torch.device, domain: Domain = "photos") -> None:
        self.device = device
        drawn = domain == "portraits"
        self.strangers = DRAWN_IMPOSTOR_DISTANCE if drawn else IMPOSTOR_DISTANCE
        self._arcface = None if drawn else _arcface(device)
        self._mivolo = None if drawn else _mivolo(device)
        self._nano = load_age_estimator(NANO, device) if drawn else None

    @property
    def age_by(self) -> str | None:
        """The judge of ages, None if there is none."""
        if self._nano is not None:
            return NANO
        return MIVOLO if self._mivolo is not None else None

    @property
    def identity_by(self) -> str:
        """The judge of identities."""
        return DLIB if self._arcface is None else "arcface"

    @property
    def why_no_age(self) -> str | None:
        """Why `age` gives nothing, None if it does."""
        if self.age_by is not None:
            return None
        return f"no judge of ages here that is in no loss: the weights `{MIVOLO}` are missing"

    @torch.inference_mode()
    def age(self, portrait: Tensor) -> float | None:
        """Years of an aligned portrait (1, 3, s, s) in [-1, 1]; None without a judge."""
        if self._nano is not None:
            return float(self._nano.years(portrait.to(self.device)))
        if self._mivolo is None:
            return None
        net, scale = self._mivolo
        return float(net.age(_resized(portrait, net.spec.size).to(self.device), scale))

    @torch.inference_mode()
    def embedding(self, portrait: Tensor) -> np.ndarray:
        """What identity is compared by: (n,), of an aligned portrait (1, 3, s, s) in [-1, 1]."""
        if self._arcface is not None:
            face = _resized(portrait, ALIGNED).to(self.device)
            return self._arcface.face_embedding(face)[0].float().cpu().numpy()
        return describe_aligned(to_pixels(portrait))

    def identity(self, one: np.ndarray, other: np.ndarray) -> Identity:
        """Compare two embeddings of this judge."""
        if self._arcface is not None:
            return Identity(float(one @ other), "arcface")
        gap = float(np.linalg.norm(one - other))
        return Identity(1 - gap / self.strangers, DLIB, self.strangers)


def _arcface(device: torch.device) -> ArcFace | None:
    if not _here(ARCFACE):
        return None
    return frozen(ArcFace.from_state(read_known(ARCFACE).part("identity"))).to(device)


def _mivolo(device: torch.device) -> "tuple[MiVolo, AgeScale] | None":
    if not _here(MIVOLO):
        return None
    from engine.nets.age.mivolo import mivolo_of

    net, scale = mivolo_of(read_known(MIVOLO))
    return frozen(net).to(device), scale


def _here(name: str) -> bool:
    folder = weights_folder()
    return status_of(known_weights(folder)[name], folder).here


def _resized(portrait: Tensor, size: int) -> Tensor:
    if portrait.shape[-1] == size:
        return portrait
    # Bilinear, as both were published with; Pillow's averages when it shrinks.
    picture = Image.fromarray(to_pixels(portrait)).resize((size, size), Image.Resampling.BILINEAR)
    return to_tensor(np.asarray(picture))
