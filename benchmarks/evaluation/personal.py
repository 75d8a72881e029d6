"""Exam of a personal model: one person in photographs nobody learned from, beside the truth."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from engine.evaluators.dlib import Vectors, described
from evaluation.album import Pixels, measured

AGE_SCALE = 10.0
"""Years of error at which an age counts for 0.6 in `both`."""
RIGHT_AGE = 8.0
"""Years of error up to which an age is right."""

Distances = Mapping[str, Callable[[Tensor, Tensor], Tensor]]


@dataclass(frozen=True, slots=True, eq=False)
class Sitting:
    """Photographs of a person to be aged, and the very same photographs at the target ages.

    inputs: uint8 (n, s, s, 3); input_ages: (n,); targets: (t,) years; truth: uint8
    (n, t, s, s, 3); points: (n, t, 68, 2), where the faces of the truth are, in px.
    """

    person: int
    inputs: Pixels
    input_ages: NDArray[np.float32]
    targets: NDArray[np.float32]
    truth: Pixels
    points: NDArray[np.float32]

    def copied(self) -> Pixels:
        """Every input left as it is at every target."""
        return np.repeat(self.inputs[:, None], len(self.targets), axis=1)

    def nearest(self, pictures: Pixels, ages: NDArray[np.floating]) -> Pixels:
        """The photo nearest in age to each target, of pictures (m, s, s, 3) at ages (m,)."""
        rows = [int(np.abs(ages - target).argmin()) for target in self.targets]
        return np.repeat(pictures[rows][None], len(self.inputs), axis=0)


@dataclass(frozen=True, slots=True, eq=False)
class PersonalJudges:
    """Who judges: ages, distances by name, and the mean dlib distance of strangers."""

    years: Callable[[Tensor], Tensor]
    distances: Distances
    strangers: float
    limit: float
    """dlib distance up to which two pictures show one person."""


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """The truth of a sitting as the judges see it, measured once for all ways."""

    sitting: Sitting
    vectors: Vectors
    years: NDArray[np.float64]


def seen(sitting: Sitting, judges: PersonalJudges) -> Seen:
    """Look at the truth."""
    return Seen(
        sitting, _vectors(sitting.truth, sitting.points), measured(judges.years, sitting.truth)
    )


def examine_way(outputs: Pixels, against: Seen, judges: PersonalJudges) -> list[dict[str, Any]]:
    """A row for each output (n, t, s, s, 3) of one way to age the inputs.

    `identity`: 1 - d/d0 by dlib to the truth render; `age_error` to the target, `age_gap` to what
    the judge reads off the truth; `both`: identity, less the further the age is off, so that
    neither a copied photo nor a stranger of the right age can win; `right`: 1 where the age is
    within 8 years and dlib takes both pictures for one person.
    """
    at = against.sitting
    vectors = _vectors(outputs, at.points)
    far = np.linalg.norm(vectors - against.vectors, axis=-1)
    years = measured(judges.years, outputs)
    apart = {
        name: measured(distance, outputs, at.truth) for name, distance in judges.distances.items()
    }
    rows: list[dict[str, Any]] = []
    for i, j in np.ndindex(outputs.shape[:2]):
        error = abs(float(years[i, j] - at.targets[j]))
        alike = 1 - float(far[i, j]) / judges.strangers
        rows.append(
            {
                "person": at.person,
                "photo": i,
                "input_age": float(at.input_ages[i]),
                "target": float(at.targets[j]),
                "identity": alike,
                "age_error": error,
                "age_gap": abs(float(years[i, j] - against.years[i, j])),
                "both": alike * float(np.exp(-((error / AGE_SCALE) ** 2) / 2)),
                "right": float(error <= RIGHT_AGE and far[i, j] <= judges.limit),
                **{name: float(values[i, j]) for name, values in apart.items()},
            }
        )
    return rows


def _vectors(pictures: Pixels, points: NDArray[np.float32]) -> Vectors:
    flat = pictures.reshape(-1, *pictures.shape[2:])
    found = described(flat, points.reshape(-1, 68, 2), workers=1)
    return found.vectors.reshape(*pictures.shape[:2], -1)
