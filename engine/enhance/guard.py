"""The guard: after a step the face must still be the person, and as old."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from engine.core.table import Table
from engine.data.domains import Domain

Pixels = NDArray[np.uint8]

SIDE = 256
"""Of the aligned faces that are looked at."""


class FaceMeasurement(NamedTuple):
    """What a witness saw in one face."""

    identity: Any
    age: float | None


class FaceEvaluator(Protocol):
    """Who looks at faces before and after a step; named, since every figure depends on it."""

    identity_by: str
    age_by: str | None
    why_no_age: str | None

    def look(self, face: Pixels) -> FaceMeasurement:
        """Look at an aligned face (s, s, 3)."""
        ...

    def alike(self, one: FaceMeasurement, other: FaceMeasurement) -> float:
        """1 for the same person, 0 for strangers."""
        ...


class FaceEvaluatorFactory(Protocol):
    """The witness that suits what a picture shows."""

    def domain_of(self, face: Pixels) -> Domain:
        """Whether an aligned face is drawn or photographed."""
        ...

    def of(self, domain: Domain) -> FaceEvaluator:
        """The witness for it."""
        ...


EvaluatorFactory = Callable[[], FaceEvaluatorFactory]
"""Loads the witnesses; called once in each process."""


class Guarding(Table):
    """What a step may change about a face."""

    on: bool = True
    min_identity: float = Field(default=0.6, ge=-1, le=1)
    """Cosine, or dlib's `1 - d/d0`, to the face before the step, and to that of the source."""
    max_drift: float = Field(default=2.0, ge=0)
    """Years by which a step, and all steps together, may change the estimated age."""
    ladder: tuple[float, ...] = (1.0, 0.75, 0.5, 0.25)
    """Shares of the strength asked for that are tried in turn; then the step is skipped."""
    domain: Literal["auto", "photos", "portraits"] = "auto"
    """What the pictures show, which decides who judges; `auto` asks for every picture."""
    reject_identity: float = Field(default=0.6, ge=-1, le=1)
    """A finished picture less like its source than this is marked `drop`."""
    reject_drift: float = Field(default=3.0, ge=0)
    """A finished picture whose age moved by more years is marked `drop`."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The worst of the faces: identity to before, years of drift (signed, None without a judge)."""

    identity: float | None
    drift: float | None
    fault: str | None

    def told(self) -> dict[str, Any]:
        """The figures as JSON."""
        return {"identity": _short(self.identity), "age_drift": _short(self.drift)}


def judged(
    before: Sequence[FaceMeasurement],
    after: Sequence[FaceMeasurement],
    witness: FaceEvaluator,
    limits: Guarding,
) -> Verdict:
    """Compare every face with itself."""
    if not before:
        return Verdict(None, None, None)
    pairs = list(zip(before, after, strict=True))
    identity = min(witness.alike(one, other) for one, other in pairs)
    drifts = [b.age - a.age for a, b in pairs if a.age is not None and b.age is not None]
    drift = max(drifts, key=abs) if drifts else None
    fault = None
    if identity < limits.min_identity:
        fault = f"identity {identity:.2f} under {limits.min_identity:g} ({witness.identity_by})"
    elif drift is not None and abs(drift) > limits.max_drift:
        fault = f"age moved by {drift:+.1f} years, {limits.max_drift:g} allowed ({witness.age_by})"
    return Verdict(identity, drift, fault)


def _short(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
