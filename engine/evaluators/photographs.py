"""Evaluators of single portraits, always named: their age, and their identity."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from engine.core.places import weights_folder
from engine.data.domains import Domain
from engine.evaluators.photo_impostors import (
    EVERYONE,
    Cell,
    Impostors,
    impostors_of,
    photo_impostors,
)
from engine.evaluators.traits import TraitEstimator, sex_of
from engine.faces.descriptor import aligned_box, describe_aligned
from engine.faces.fitting import fit_points
from engine.images.ranges import to_pixels, to_tensor
from engine.nets.identity.ir_se50 import ALIGNED, ArcFace
from engine.nets.loading import frozen
from engine.nets.named import load_age_estimator
from engine.weights.folder import status_of
from engine.weights.load import read_known
from engine.weights.manifest import known_weights

if TYPE_CHECKING:
    from engine.nets.age.mivolo import AgeScale, MiVolo

ARCFACE, MIVOLO, DLIB, NANO = "ir-se50", "mivolo", "dlib", "nano-age-evaluator"
DRAWN_IMPOSTOR_DISTANCE = 0.48
"""dlib distance of different people among drawn portraits: the mean over strata of age, sex and
skin, which lie between 0.43 and 0.52 (`benchmarks/nano.py`, 100 people in two photographs at nine
ages)."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Identity of two faces by one evaluator: for dlib `1 - d/d0`, for ArcFace the cosine."""

    value: float
    evaluator: str
    impostors: Impostors | None = None
    """d0 and whose it is, for dlib."""


class PhotoEvaluators:
    """The evaluators whose weights are here: MiVOLO for the age, ArcFace or else dlib.

    Drawn portraits are evaluated by `nano-age-evaluator`, which is in no loss, and by dlib.
    """

    def __init__(self, device: torch.device, domain: Domain = "photos") -> None:
        self.device = device
        drawn = domain == "portraits"
        # Of photographs d0 is that of everyone, where the caller knows nothing of the person.
        self.everyone = (
            Impostors(DRAWN_IMPOSTOR_DISTANCE, EVERYONE) if drawn else impostors_of(Cell())
        )
        self._arcface = None if drawn else _arcface(device)
        self._traits = None if drawn or self._arcface is not None else TraitEstimator(device)
        self._mivolo = None if drawn else _mivolo(device)
        self._nano = load_age_estimator(NANO, device) if drawn else None

    @property
    def age_by(self) -> str | None:
        """Name of the age evaluator, None without one."""
        if self._nano is not None:
            return NANO
        return MIVOLO if self._mivolo is not None else None

    @property
    def identity_by(self) -> str:
        """Name of the identity evaluator."""
        return DLIB if self._arcface is None else "arcface"

    @property
    def why_no_age(self) -> str | None:
        """Why there is no age evaluator, None if there is one."""
        if self.age_by is not None:
            return None
        return f"there is no independent age evaluator: the weights `{MIVOLO}` are missing"

    @torch.inference_mode()
    def age(self, portrait: Tensor) -> float | None:
        """Years of an aligned portrait (1, 3, s, s) in [-1, 1]; None without an evaluator."""
        if self._nano is not None:
            return float(self._nano.years(portrait.to(self.device)))
        if self._mivolo is None:
            return None
        net, scale = self._mivolo
        return float(net.age(_resized(portrait, net.spec.size).to(self.device), scale))

    @torch.inference_mode()
    def embedding(self, portrait: Tensor) -> np.ndarray:
        """The identity embedding (n,) of an aligned portrait (1, 3, s, s) in [-1, 1]."""
        if self._arcface is not None:
            face = _resized(portrait, ALIGNED).to(self.device)
            return self._arcface.face_embedding(face)[0].float().cpu().numpy()
        return describe_aligned(to_pixels(portrait))

    def impostors(self, portrait: Tensor, age: float) -> Impostors:
        """d0 for the person in an aligned portrait (1, 3, s, s) in [-1, 1] at an age in years."""
        if self._traits is None:
            return self.everyone
        face = to_pixels(portrait)
        traits = self._traits.measure(face, fit_points(face, aligned_box(len(face))))
        return photo_impostors(age, sex_of(traits.male), traits.lightness)

    def identity(
        self, one: np.ndarray, other: np.ndarray, impostors: Impostors | None = None
    ) -> Identity:
        """Identity of two embeddings (n,) by this evaluator; d0 that of everyone if not given."""
        if self._arcface is not None:
            return Identity(float(one @ other), "arcface")
        distance = float(np.linalg.norm(one - other))
        own = self.everyone if impostors is None else impostors
        return Identity(1 - distance / own.distance, DLIB, own)


def _arcface(device: torch.device) -> ArcFace | None:
    if not weights_here(ARCFACE):
        return None
    return frozen(ArcFace.from_state(read_known(ARCFACE).part("identity"))).to(device)


def _mivolo(device: torch.device) -> "tuple[MiVolo, AgeScale] | None":
    if not weights_here(MIVOLO):
        return None
    from engine.nets.age.mivolo import mivolo_of

    net, scale = mivolo_of(read_known(MIVOLO))
    return frozen(net).to(device), scale


def weights_here(name: str) -> bool:
    """Whether known weights are in the weights folder."""
    folder = weights_folder()
    return status_of(known_weights(folder)[name], folder).here


def _resized(portrait: Tensor, size: int) -> Tensor:
    if portrait.shape[-1] == size:
        return portrait
    # Bilinear, as both were published with; Pillow's averages when it shrinks.
    picture = Image.fromarray(to_pixels(portrait)).resize((size, size), Image.Resampling.BILINEAR)
    return to_tensor(np.asarray(picture))
