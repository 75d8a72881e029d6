"""How far the looks of portraits are from those of the true photographs: hair, skin and shape.

They are measured as the photo model measures them, in the frame where all faces are in one place.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.metrics.bootstrap import mean_interval
from engine.photo.features import FaceFeatures
from engine.photo.fit import HAIR_SEEN
from engine.scoring.material import Task
from engine.scoring.words import title

MEASURES = {
    "hair": "hair lightness, levels of L",
    "colour": "colour of the skin, levels of Lab",
    "detail": "detail of the skin, log energy by band",
    "shape": "places of the landmarks, frame px",
}
"""What is compared; the smaller the nearer."""
MIN_TRUTHS = 5
"""True photographs below which no method is called nearer."""


class Look(NamedTuple):
    """Distances of one portrait to the truth by MEASURES; None where one of them hides it."""

    task: Task
    distances: Mapping[str, float | None]


@dataclass(slots=True)
class Looks:
    """The distances of every method; the others are compared with the `subject`."""

    subject: str
    rows: dict[str, list[Look]] = field(default_factory=dict[str, list[Look]])

    def add(self, method: str, task: Task, made: FaceFeatures | None, truth: FaceFeatures) -> None:
        """Compare a portrait with the photograph of the age; None for one that has no face."""
        nothing: dict[str, float | None] = dict.fromkeys(MEASURES)
        distances = nothing if made is None else _distances(made, truth)
        self.rows.setdefault(method, []).append(Look(task, distances))


def looks_report(looks: Looks) -> dict[str, Any]:
    """Mean distances of every method, and how much nearer the subject is than each other one.

    Intervals, 95 %, are resampled over the true photographs, by their ages.
    """
    own = {row.task: row for row in looks.rows[looks.subject]}
    nearer: list[dict[str, Any]] = []
    for other, rows in looks.rows.items():
        if other == looks.subject:
            continue
        for measure in MEASURES:
            pairs = [
                (row.task.target, theirs - mine)
                for row in rows
                if (theirs := row.distances[measure]) is not None
                and (mine := own[row.task].distances[measure]) is not None
            ]
            figure = _interval(pairs)
            if figure is not None:
                low, high = figure["interval"]
                sure = figure["truths"] >= MIN_TRUTHS and (low > 0 or high < 0)
                better = low > 0 if sure else None
                nearer.append({"than": other, "measure": measure, **figure, "better": better})
    return {
        "subject": looks.subject,
        "distances": {
            method: {measure: _interval(_known(rows, measure)) for measure in MEASURES}
            for method, rows in looks.rows.items()
        },
        "nearer": nearer,
    }


def looks_sentences(report: Mapping[str, Any]) -> list[str]:
    """Which of the others the subject is significantly nearer to the truth than, or farther."""
    sentences: list[str] = []
    for row in report["nearer"]:
        if row["better"] is None:
            continue
        word = "nearer to" if row["better"] else "farther from"
        low, high = sorted(abs(edge) for edge in row["interval"])
        sentences.append(
            f"{title(report['subject'])} is {word} the true photographs than "
            f"{title(row['than'])} in {MEASURES[row['measure']]}, by "
            f"{abs(row['mean']):.2f} ({low:.2f} to {high:.2f})"
        )
    return sentences


def _known(rows: Sequence[Look], measure: str) -> list[tuple[float, float]]:
    return [
        (row.task.target, value) for row in rows if (value := row.distances[measure]) is not None
    ]


def _interval(pairs: Sequence[tuple[float, float]]) -> dict[str, Any] | None:
    """The mean of values by age of the true photograph, its interval, and how many of these."""
    if not pairs:
        return None
    targets, values = zip(*pairs, strict=True)
    mean, low, high = mean_interval(values, groups=targets)
    return {"mean": mean, "interval": [low, high], "truths": len(set(targets))}


def _distances(made: FaceFeatures, truth: FaceFeatures) -> dict[str, float | None]:
    skin = made.skin * truth.skin
    seen = min(made.hair_pixels, truth.hair_pixels) > HAIR_SEEN
    return {
        "hair": abs(float(made.hair[0] - truth.hair[0])) if seen else None,
        "colour": _apart(made.colour, truth.colour, skin),
        "detail": _apart(made.detail, truth.detail, skin[::2, ::2]),
        "shape": _apart(made.shape, truth.shape, np.ones(len(made.shape))),
    }


def _apart(one: NDArray[Any], other: NDArray[Any], weights: NDArray[Any]) -> float | None:
    """The root of the weighted mean square; None where the weights see nothing."""
    if weights.sum() < 1:
        return None
    square = np.square(one.astype(np.float64) - other).mean(axis=-1)
    return float(np.sqrt((square * weights).sum() / weights.sum()))
