"""The guard: after a step a face must still have the identity and the age that it had before."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from engine.core.table import Table
from engine.data.domains import Domain

Pixels = NDArray[np.uint8]

SIDE = 256
"""Of the aligned faces that are measured."""


class FaceMeasurement(NamedTuple):
    """The identity embedding of a face, and its age in years (None without an estimator)."""

    identity: Any
    age: float | None


class FaceEvaluator(Protocol):
    """Measures faces before and after a step; its estimators are recorded beside every figure."""

    identity_by: str
    age_by: str | None
    why_no_age: str | None

    def measure(self, face: Pixels) -> FaceMeasurement:
        """Identity and age of an aligned face (s, s, 3)."""
        ...

    def similarity(self, one: FaceMeasurement, other: FaceMeasurement) -> float:
        """1 for the same person, about 0 for impostors."""
        ...


class FaceEvaluatorFactory(Protocol):
    """The evaluator of a picture's domain."""

    def domain_of(self, face: Pixels) -> Domain:
        """Whether an aligned face (s, s, 3) is drawn or photographed."""
        ...

    def for_domain(self, domain: Domain) -> FaceEvaluator:
        """The evaluator for it."""
        ...


class GuardLimits(Table):
    """What a step may change about a face."""

    on: bool = True
    min_identity: float = Field(default=0.6, ge=-1, le=1)
    """Cosine, or dlib's `1 - d/d0`, to the face before the step, and to that of the source."""
    max_drift: float = Field(default=2.0, ge=0)
    """Years by which a step, and all steps together, may change the estimated age."""
    backoff: tuple[float, ...] = (1.0, 0.75, 0.5, 0.25)
    """Shares of the recipe's strength that are tried in this order; then the step is skipped."""
    domain: Literal["auto", "photos", "portraits"] = "auto"
    """The domain of the pictures, which decides on the evaluator; `auto` classifies every one."""
    reject_identity: float = Field(default=0.6, ge=-1, le=1)
    """A finished picture whose identity to its source is lower is marked `drop`."""
    reject_drift: float = Field(default=3.0, ge=0)
    """A finished picture whose estimated age moved by more years is marked `drop`."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """The worst of the faces: identity to before, years of drift (signed), the limit it breaks.

    identity is None without a face, drift without an age estimator, fault within all limits.
    """

    identity: float | None = None
    drift: float | None = None
    fault: str | None = None

    def dump(self) -> dict[str, Any]:
        """The figures as JSON."""
        return {"identity": _rounded(self.identity), "age_drift": _rounded(self.drift)}


def compare(
    before: Sequence[FaceMeasurement],
    after: Sequence[FaceMeasurement],
    evaluator: FaceEvaluator,
    limits: GuardLimits,
) -> Comparison:
    """Compare every face with itself before."""
    if not before:
        return Comparison()
    pairs = list(zip(before, after, strict=True))
    identity = min(evaluator.similarity(one, other) for one, other in pairs)
    drifts = [b.age - a.age for a, b in pairs if a.age is not None and b.age is not None]
    drift = max(drifts, key=abs) if drifts else None
    fault = None
    if identity < limits.min_identity:
        fault = f"identity {identity:.2f} under {limits.min_identity:g} ({evaluator.identity_by})"
    elif drift is not None and abs(drift) > limits.max_drift:
        fault = (
            f"age moved by {drift:+.1f} years, {limits.max_drift:g} allowed ({evaluator.age_by})"
        )
    return Comparison(identity, drift, fault)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
