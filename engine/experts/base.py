"""The expert protocol: aligned faces in, an age, a spread and a confidence for each out."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import log
from pathlib import Path
from typing import ClassVar, Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from pydantic import Field
from torch import Tensor

from engine.core.registry import Registry
from engine.core.table import Table
from engine.data.domains import Domain
from engine.faces.descriptor import aligned_box
from engine.faces.fitting import fit_points
from engine.images.ranges import to_tensor, to_tensors
from engine.nets.photos.crops import Crop
from engine.weights.find import find_weights

EXPERTS: Registry["ExpertTable"] = Registry("expert", package="engine.experts.kinds")
OLDEST = 100
"""Years of the last bin of a distribution over ages."""
MAX_ENTROPY = log(OLDEST + 1)
"""Entropy in nats of the uniform distribution over the ages 0 to 100."""
Resize = Literal["bilinear", "bicubic"]
Pixels = NDArray[np.uint8]
Points = NDArray[np.floating]


class Faces:
    """Decoded faces, shared by all experts: each size is made once.

    faces: aligned, uint8 RGB (s, s, 3), of any size; bodies: the part of the whole photograph that
    shows the person, (h, w, 3), None where only the face is known; landmarks: (68, 2) each in the
    pixels of its face, None where they are fitted once an expert needs them.
    """

    def __init__(
        self,
        faces: Sequence[Pixels],
        bodies: Sequence[Pixels | None] = (),
        landmarks: Sequence[Points | None] = (),
    ) -> None:
        self.faces = tuple(faces)
        self.bodies = tuple(bodies) if bodies else (None,) * len(self.faces)
        self._landmarks: list[Points | None] = (
            list(landmarks) if landmarks else [None] * len(self.faces)
        )
        self._resized: dict[tuple[int, Resize], Tensor] = {}
        self._pictures: dict[int, Tensor] = {}

    def __len__(self) -> int:
        return len(self.faces)

    def at(self, size: int, resize: Resize = "bilinear") -> Tensor:
        """The faces as float32 RGB (b, 3, size, size) in [-1, 1], squashed to a square."""
        if (size, resize) not in self._resized:
            sized = [_sized(face, size, size, resize) for face in self.faces]
            self._resized[size, resize] = to_tensors(np.stack(sized))
        return self._resized[size, resize]

    def points(self, row: int) -> Points:
        """The landmarks (68, 2) of a face; missing ones are fitted as to an aligned face."""
        points = self._landmarks[row]
        if points is None:
            face = self.faces[row]
            self._landmarks[row] = points = fit_points(face, aligned_box(face.shape[0]))
        return points

    def crops(self, place: Callable[[Tensor], Crop]) -> Tensor:
        """Crops (b, 3, size, size) in [-1, 1] that `place` puts by landmarks (1, 68, 2)."""
        return torch.cat(
            [
                place(torch.from_numpy(self.points(row)[None]).float()).cut(self._picture(row))
                for row in range(len(self))
            ]
        )

    def _picture(self, row: int) -> Tensor:
        """A whole face as (1, 3, s, s) in [-1, 1], made once."""
        picture = self._pictures.get(row)
        if picture is None:
            self._pictures[row] = picture = to_tensor(self.faces[row])
        return picture

    def bodies_at(self, size: int) -> Tensor:
        """The bodies as (b, 3, size, size) in [-1, 1], letterboxed; black where unknown."""
        return to_tensors(np.stack([_letterboxed(body, size) for body in self.bodies]))


@dataclass(frozen=True, slots=True, eq=False)
class AgePrediction:
    """The predictions of an expert for b faces: years, standard deviation, confidence in 0..1.

    All (b,) float32 on the CPU; NaN in all three where it predicts nothing.
    """

    years: Tensor
    spread: Tensor
    confidence: Tensor

    @classmethod
    def of_logits(cls, logits: Tensor) -> "AgePrediction":
        """From logits (b, n) of the ages 0..n-1."""
        return cls.of_distribution(logits.detach().float().cpu().softmax(dim=1))

    @classmethod
    @torch.autocast("cpu", enabled=False)
    def of_distribution(cls, probabilities: Tensor) -> "AgePrediction":
        """From distributions (b, n) over the ages 0..n-1.

        Confidence is 1 - entropy / ln 101.
        """
        p = probabilities.detach().float().cpu()
        p = p.clamp(min=0) / p.clamp(min=0).sum(dim=1, keepdim=True)
        ages = torch.arange(p.shape[1], dtype=torch.float32)
        years = p @ ages
        variance = (p * (ages - years[:, None]).square()).sum(dim=1)
        entropy = torch.special.entr(p).sum(dim=1)
        return cls(years, variance.sqrt(), (1 - entropy / MAX_ENTROPY).clamp(0, 1))

    @classmethod
    def of_normal(cls, years: Tensor, spread: Tensor) -> "AgePrediction":
        """From means and standard deviations (b,); confidence by the entropy over whole years."""
        years, spread = years.detach().float().cpu(), spread.detach().float().cpu()
        ages = torch.arange(OLDEST + 1, dtype=torch.float32)
        z = (ages - years[:, None]) / spread[:, None].clamp(min=0.1)
        p = (-0.5 * z.square()).softmax(dim=1)
        entropy = torch.special.entr(p).sum(dim=1)
        return cls(years, spread, (1 - entropy / MAX_ENTROPY).clamp(0, 1))


class Expert(Protocol):
    """A loaded age estimator."""

    @property
    def digest(self) -> str:
        """Digest of its weights."""
        ...

    def predict(self, faces: Faces) -> AgePrediction:
        """The ages of the faces, in their order."""
        ...


class ExpertTable(Table, ABC):
    """An expert as a recipe names it."""

    domain: ClassVar[Domain]
    """The domain it was trained on."""
    preprocessing: ClassVar[str]
    """The input of its network, in a few words for the labels file."""
    bodies: ClassVar[bool] = False
    """Whether it takes the body beside the face."""
    small: ClassVar[bool] = False
    """Whether a batch leaves cores idle, so that batches are predicted in parallel."""
    kind: str
    weights: str = Field(min_length=1)
    """A shipped or known name, a weights file, or a run."""

    @cached_property
    def name(self) -> str:
        """Its name in the labels."""
        return self.kind

    @abstractmethod
    def load(self, device: torch.device) -> Expert:
        """Load the weights; WeightsError says where to get missing ones."""

    def path(self) -> Path:
        """The weights file; WeightsError says where to get a missing one."""
        return find_weights(self.weights)

    def cost(self) -> str:
        """Memory it needs, for `--dry-run`; empty where little."""
        return ""


def _sized(pixels: Pixels, width: int, height: int, resize: Resize) -> Pixels:
    if pixels.shape[:2] == (height, width):
        return pixels
    # Pillow's filters antialias when they shrink.
    resample = Image.Resampling.BILINEAR if resize == "bilinear" else Image.Resampling.BICUBIC
    return np.asarray(Image.fromarray(pixels).resize((width, height), resample))


def _letterboxed(pixels: Pixels | None, size: int) -> Pixels:
    sheet = np.zeros((size, size, 3), np.uint8)
    if pixels is None:
        return sheet
    height, width = pixels.shape[:2]
    scale = size / max(height, width)
    high, wide = max(round(height * scale), 1), max(round(width * scale), 1)
    top, left = (size - high) // 2, (size - wide) // 2
    sheet[top : top + high, left : left + wide] = _sized(pixels, wide, high, "bilinear")
    return sheet
