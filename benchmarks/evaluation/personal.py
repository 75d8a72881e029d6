"""Evaluation of a personal model: one person in held-out photographs, against the truth."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from engine.evaluators.dlib import Vectors, described
from engine.images.srgb import Pixels
from evaluation.album import measured

AGE_SCALE = 10.0
"""Years of error at which an age counts for 0.6 in `age_and_identity`."""
MAX_AGE_ERROR = 8.0
"""Years of error up to which an age is correct."""

Distances = Mapping[str, Callable[[Tensor, Tensor], Tensor]]


@dataclass(frozen=True, slots=True, eq=False)
class TestPhotos:
    """Photographs of a person to be aged, and the same photographs rendered at the target ages.

    inputs: uint8 (n, s, s, 3); input_ages: (n,); targets: (t,) years; truth: uint8
    (n, t, s, s, 3); points: (n, t, 68, 2), landmarks of the truth in px.
    """

    person: int
    inputs: Pixels
    input_ages: NDArray[np.float32]
    targets: NDArray[np.float32]
    truth: Pixels
    points: NDArray[np.float32]

    def unchanged(self) -> Pixels:
        """Every input unchanged at every target."""
        return np.repeat(self.inputs[:, None], len(self.targets), axis=1)

    def nearest(self, pictures: Pixels, ages: NDArray[np.floating]) -> Pixels:
        """The photo nearest in age to each target, of pictures (m, s, s, 3) at ages (m,)."""
        rows = [int(np.abs(ages - target).argmin()) for target in self.targets]
        return np.repeat(pictures[rows][None], len(self.inputs), axis=0)


@dataclass(frozen=True, slots=True, eq=False)
class PersonalEvaluators:
    """Age estimator, distances by name, and the mean dlib distance of impostors."""

    years: Callable[[Tensor], Tensor]
    distances: Distances
    impostors: float
    limit: float
    """dlib distance up to which two pictures are verified as one person."""


@dataclass(frozen=True, slots=True, eq=False)
class MeasuredTruth:
    """dlib vectors and estimated ages of the truth, measured once for all methods."""

    photos: TestPhotos
    vectors: Vectors
    years: NDArray[np.float64]


def measure_truth(photos: TestPhotos, evaluators: PersonalEvaluators) -> MeasuredTruth:
    """Measure the truth."""
    vectors = _vectors(photos.truth, photos.points)
    return MeasuredTruth(photos, vectors, measured(evaluators.years, photos.truth))


def evaluate_method(
    outputs: Pixels, against: MeasuredTruth, evaluators: PersonalEvaluators
) -> list[dict[str, Any]]:
    """A row for each output (n, t, s, s, 3) of one method.

    `identity`: 1 - d/d0 by dlib to the truth; `age_error` to the target, `age_gap` to the estimate
    for the truth; `age_and_identity`: identity times a Gaussian of the age error, so that neither
    the unchanged photo nor an impostor of the target age scores high; `correct`: 1 where the age is
    within 8 years and dlib verifies the person.
    """
    photos = against.photos
    vectors = _vectors(outputs, photos.points)
    distances = np.linalg.norm(vectors - against.vectors, axis=-1)
    years = measured(evaluators.years, outputs)
    perceptual = {
        name: measured(distance, outputs, photos.truth)
        for name, distance in evaluators.distances.items()
    }
    rows: list[dict[str, Any]] = []
    for i, j in np.ndindex(outputs.shape[:2]):
        error = abs(float(years[i, j] - photos.targets[j]))
        identity = 1 - float(distances[i, j]) / evaluators.impostors
        rows.append(
            {
                "person": photos.person,
                "photo": i,
                "input_age": float(photos.input_ages[i]),
                "target": float(photos.targets[j]),
                "identity": identity,
                "age_error": error,
                "age_gap": abs(float(years[i, j] - against.years[i, j])),
                "age_and_identity": identity * float(np.exp(-((error / AGE_SCALE) ** 2) / 2)),
                "correct": float(error <= MAX_AGE_ERROR and distances[i, j] <= evaluators.limit),
                **{name: float(values[i, j]) for name, values in perceptual.items()},
            }
        )
    return rows


def _vectors(pictures: Pixels, points: NDArray[np.float32]) -> Vectors:
    flat = pictures.reshape(-1, *pictures.shape[2:])
    result = described(flat, points.reshape(-1, 68, 2), workers=1)
    return result.vectors.reshape(*pictures.shape[:2], -1)
