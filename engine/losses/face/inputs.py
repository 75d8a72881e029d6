"""The inputs of a loss: one forward pass of the personal model."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from engine.losses.face.context import LossContext, required
from engine.runtime.draws import Draws

Direction = Literal["real", "cycle"]
When = Literal["always", "aged", "same"]


@dataclass(frozen=True, slots=True)
class LossInputs:
    """Inputs and outputs of one pass; every network runs at most once on a picture."""

    source: Tensor
    """(b, 3, s, s) the photo in [-1, 1], at the size of the encoder."""
    output: Tensor
    """(b, 3, s, s) the generated picture, averaged down to that size."""
    source_age: Tensor
    """(b,) years."""
    target_age: Tensor
    """(b,) years."""
    w_plus: Tensor
    """(b, n, width) personal codes."""
    w_prior: Tensor | None
    """(b, n, width) codes of the frozen prior for the same photo and target; None where no loss
    reads them."""
    latent_average: Tensor
    """(n, width)."""
    direction: Direction
    """`real` goes from the photo to the target age, `cycle` from there back to the photo's age
    (cycle consistency)."""
    same_age: Tensor
    """(b,) bool: the target age is the photo's own."""
    context: LossContext
    draws: Draws
    photo: Tensor | None = None
    """(b,) int64 rows of the photos among the context's references, where they are among them."""
    cached: Mapping[str, Tensor] = field(default_factory=dict[str, Tensor])
    """Precomputed values of each photo, flipped as it is here: `embedding` (b, d), `points`
    (b, 68, 2), NaN where no face was detected, and `points/NAME`, those of landmark detector
    NAME."""
    memo: dict[str, Tensor] = field(default_factory=dict[str, Tensor], repr=False)

    def __post_init__(self) -> None:
        if self.source.shape != self.output.shape:
            shapes = tuple(self.source.shape), tuple(self.output.shape)
            raise ValueError(f"the photo is {shapes[0]} and the output {shapes[1]}")

    @property
    def size(self) -> int:
        """Side of the pictures in px."""
        return self.source.shape[-1]

    def mask(self, when: When) -> Tensor:
        """(b,) bool: the samples that were aged, those that were not, or all."""
        if when == "always":
            return torch.ones_like(self.same_age)
        return self.same_age if when == "same" else ~self.same_age

    def embedding(self) -> Tensor:
        """(b, d) unit: identity of the output."""
        network = required(self.context.identity, "identity")
        return self._once("embedding", lambda: network.embed(self.output).float())

    def prior(self) -> Tensor:
        """(b, n, width) codes of the frozen prior; ValueError if they were not computed."""
        if self.w_prior is None:
            raise ValueError("a loss that reads the prior's codes must set `reads_prior`")
        return self.w_prior

    def source_embedding(self) -> Tensor:
        """(b, d) unit: identity of the photo; no gradient."""
        if "embedding" in self.cached:
            return self.cached["embedding"]
        network = required(self.context.identity, "identity")
        return self._fixed("source embedding", lambda: network.embed(self.source).float())

    def years(self) -> Tensor:
        """(b,) estimated age of the output."""
        estimator = required(self.context.age, "age")
        return self._once("years", lambda: estimator.years(self.output).float())

    def points(self) -> Tensor:
        """(b, 68, 2) landmarks of the output in px."""
        detector = required(self.context.landmarks, "landmarks")
        return self._once("points", lambda: detector.points(self.output).float())

    def source_points(self) -> Tensor:
        """(b, 68, 2) landmarks of the photo in px: those it was aligned by, else detected."""
        return self.cached["points"] if "points" in self.cached else self.detected_source_points()

    def detected_source_points(self) -> Tensor:
        """(b, 68, 2) landmarks of the photo in px, by the detector of `points`; no gradient.

        Only these compare with `points`: two detectors differ by more than two ages do.
        """
        detector = required(self.context.landmarks, "landmarks")
        if (name := f"points/{detector.name}") in self.cached:
            return self.cached[name]
        return self._fixed("source points", lambda: detector.points(self.source).float())

    def _once(self, name: str, compute: Callable[[], Tensor]) -> Tensor:
        if name not in self.memo:
            self.memo[name] = compute()
        return self.memo[name]

    @torch.no_grad()
    def _fixed(self, name: str, compute: Callable[[], Tensor]) -> Tensor:
        return self._once(name, compute)
