"""What an expert is: aligned faces in, for each an age, a spread and a confidence out."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
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
from engine.images.ranges import to_tensors
from engine.weights.find import find_weights

EXPERTS: Registry["ExpertTable"] = Registry("expert", package="engine.experts.kinds")
OLDEST = 100
"""Years of the last bin of a distribution over ages."""
CERTAIN = log(OLDEST + 1)
"""Entropy in nats of knowing nothing: every age from 0 to 100 alike."""
Resize = Literal["bilinear", "bicubic"]
Pixels = NDArray[np.uint8]


class Faces:
    """Decoded faces, shared by all experts: each size is made once, whoever asks for it.

    faces: aligned, uint8 RGB (s, s, 3), of any size; bodies: what is seen of the person in the
    whole photograph, (h, w, 3), None where only the face is known.
    """

    def __init__(self, faces: Sequence[Pixels], bodies: Sequence[Pixels | None] = ()) -> None:
        self.faces = tuple(faces)
        self.bodies = tuple(bodies) if bodies else (None,) * len(self.faces)
        self._made: dict[tuple[int, Resize], Tensor] = {}

    def __len__(self) -> int:
        return len(self.faces)

    def at(self, size: int, resize: Resize = "bilinear") -> Tensor:
        """The faces as float32 RGB (b, 3, size, size) in [-1, 1], squashed to a square."""
        if (size, resize) not in self._made:
            sized = [_sized(face, size, size, resize) for face in self.faces]
            self._made[size, resize] = to_tensors(np.stack(sized))
        return self._made[size, resize]

    def bodies_at(self, size: int) -> Tensor:
        """The bodies as (b, 3, size, size) in [-1, 1], in full and centred; black where unknown."""
        return to_tensors(np.stack([_letterboxed(body, size) for body in self.bodies]))


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """What an expert says of b faces: years, their standard deviation, and confidence in 0..1.

    All (b,) float32 on the CPU; NaN in all three where it does not answer.
    """

    years: Tensor
    spread: Tensor
    confidence: Tensor

    @classmethod
    def of_logits(cls, logits: Tensor) -> "Answer":
        """From logits (b, n) of the ages 0..n-1."""
        return cls.of_shares(logits.detach().float().cpu().softmax(dim=1))

    @classmethod
    @torch.autocast("cpu", enabled=False)
    def of_shares(cls, shares: Tensor) -> "Answer":
        """From distributions (b, n) over the ages 0..n-1.

        Confidence is what the distribution knows: 1 - entropy / ln 101.
        """
        shares = shares.detach().float().cpu()
        shares = shares.clamp(min=0) / shares.clamp(min=0).sum(dim=1, keepdim=True)
        ages = torch.arange(shares.shape[1], dtype=torch.float32)
        years = shares @ ages
        variance = (shares * (ages - years[:, None]).square()).sum(dim=1)
        entropy = torch.special.entr(shares).sum(dim=1)
        return cls(years, variance.sqrt(), (1 - entropy / CERTAIN).clamp(0, 1))

    @classmethod
    def of_normal(cls, years: Tensor, spread: Tensor) -> "Answer":
        """From means and standard deviations (b,); confidence as of that distribution in bins."""
        years, spread = years.detach().float().cpu(), spread.detach().float().cpu()
        ages = torch.arange(OLDEST + 1, dtype=torch.float32)
        away = (ages - years[:, None]) / spread[:, None].clamp(min=0.1)
        shares = (-0.5 * away.square()).softmax(dim=1)
        entropy = torch.special.entr(shares).sum(dim=1)
        return cls(years, spread, (1 - entropy / CERTAIN).clamp(0, 1))


class Expert(Protocol):
    """An estimator that is ready to be asked."""

    @property
    def digest(self) -> str:
        """Of its weights."""
        ...

    def answer(self, faces: Faces) -> Answer:
        """How old the faces look; as many answers as faces, in their order."""
        ...


class ExpertTable(Table, ABC):
    """An expert as a recipe names it."""

    domain: ClassVar[Domain]
    """The pictures it was trained on, and is asked about."""
    seen: ClassVar[str]
    """What its network gets to see, in a few words for the labels file."""
    bodies: ClassVar[bool] = False
    """Whether it looks at more of a photograph than the face."""
    small: ClassVar[bool] = False
    """Whether a batch leaves cores idle, so that several batches are better asked about at once."""
    kind: str
    weights: str = Field(min_length=1)
    """A shipped or known name, a weights file, or a run."""

    @cached_property
    def name(self) -> str:
        """What the labels call it."""
        return self.kind

    @abstractmethod
    def load(self, device: torch.device) -> Expert:
        """The expert with its weights; WeightsError says where to get what is not here."""

    def place(self) -> Path:
        """Where its weights are; WeightsError says where to get what is not here."""
        return find_weights(self.weights)

    def forecast(self) -> str:
        """A word for `--dry-run` on what it costs, beyond its weights file."""
        return ""


def _sized(pixels: Pixels, width: int, height: int, resize: Resize) -> Pixels:
    if pixels.shape[:2] == (height, width):
        return pixels
    # Pillow's filters widen when they shrink a picture: nothing is skipped.
    way = Image.Resampling.BILINEAR if resize == "bilinear" else Image.Resampling.BICUBIC
    return np.asarray(Image.fromarray(pixels).resize((width, height), way))


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
