"""What ages a face, whatever it is made of: the model of codes, or an AgeTransformer."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from torch import Tensor

from engine.evaluators.domain import TrainingDomain
from engine.runtime.device import Compute


class AgedFace(Protocol):
    """One face at the ages that were asked for."""

    def pictures(self) -> Iterator[Tensor]:
        """A picture (3, size, size), about [-1, 1], for each age."""
        ...

    def plain(self) -> Tensor | None:
        """The face as the model draws it without ageing it; None for a model that cannot."""
        ...

    def frames(self, between: int) -> Iterator[Tensor]:
        """Pictures of a film, `between` of them from each age to the next."""
        ...


class Ager(Protocol):
    """Ages faces with one model; it keeps nothing of a photo from one call to the next."""

    @property
    def compute(self) -> Compute:
        """Where it runs."""
        ...

    @property
    def known(self) -> TrainingDomain:
        """What the model was trained on."""
        ...

    @property
    def size(self) -> int:
        """Side in pixels of the pictures that come out."""
        ...

    @property
    def input_size(self) -> int:
        """Side in pixels of the aligned face that goes in."""
        ...

    def require(self, face: Tensor) -> None:
        """PictureError for a face (1, 3, s, s) that is none of those the model knows."""
        ...

    def mixed_in(self, face_of: Callable[[Path], Tensor]) -> Tensor | None:
        """What the recipe's mixing takes layers from; None where nothing is mixed."""
        ...

    def aged(
        self, face: Tensor, ages: Sequence[float], content: int, other: Tensor | None = None
    ) -> AgedFace:
        """A face (1, 3, s, s) in [-1, 1] at ages in years; `content` seeds whatever is random."""
        ...
