"""The interface of models that age a face: a model of latent codes, or an AgeTransformer."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from torch import Tensor

from engine.evaluators.domain import TrainingDomain
from engine.runtime.device import Compute


class AgedFace(Protocol):
    """One face at the target ages."""

    def pictures(self) -> Iterator[Tensor]:
        """A picture (3, size, size), about [-1, 1], for each age."""
        ...

    def plain(self) -> Tensor | None:
        """The plain inversion of the face (3, size, size); None for a model without one."""
        ...

    def frames(self, between: int) -> Iterator[Tensor]:
        """Pictures of a film, `between` of them from each age to the next."""
        ...


class Ager(Protocol):
    """Ages faces with one model; holds no state of a photo between calls."""

    @property
    def compute(self) -> Compute:
        """Where it runs."""
        ...

    @property
    def training_domain(self) -> TrainingDomain:
        """The domain that the model was trained on."""
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
        """PictureError for a face (1, 3, s, s) that is out of domain."""
        ...

    def mixing_codes(self, face_of: Callable[[Path], Tensor]) -> Tensor | None:
        """The codes (1, n, width) of the recipe's style mixing; None without mixing."""
        ...

    def aged(
        self, face: Tensor, ages: Sequence[float], content: int, other: Tensor | None = None
    ) -> AgedFace:
        """A face (1, 3, s, s) in [-1, 1] at ages in years; `content` seeds whatever is random."""
        ...
