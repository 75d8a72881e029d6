"""Figures of a method from its rows, with 95 % intervals."""

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, Literal

import numpy as np

from engine.evaluators.suite import EvaluatorSuite
from engine.metrics.age import spearman
from engine.metrics.bootstrap import Interval, mean_interval
from engine.scoring.rows import Row

MIN_UNITS = 5
"""People, or photos, that the bootstrap needs to resample them."""
GAPS = (0, 2.5, 10, 20, 30, 40, 60, 120)
"""Edges of the bins of |gap| in years."""
NO_TRUTH = "no truth is known"
FLIPPED = 0.05
"""Share of portraits of another gender than their photo from which that is a red flag.

Of 149 people in two real photographs, six to ten years apart, it is 3.4 % by the CC0 network.
"""
Unit = Literal["people", "photos", "portraits"]


def resampling_unit(rows: Sequence[Row]) -> Unit:
    """The unit of the bootstrap: people, photos, or portraits where there are few of both."""
    if len({row["person"] for row in rows}) >= MIN_UNITS:
        return "people"
    return "photos" if len({row["photo_sha256"] for row in rows}) >= MIN_UNITS else "portraits"


def interval_of(numbers: Sequence[float], rows: Sequence[Row], unit: Unit) -> Interval:
    """The mean of a number for each row, resampled over people, then over photos of each."""
    photos = [row["photo_sha256"] for row in rows]
    match unit:
        case "people":
            people = [str(row["person"]) for row in rows]
            return mean_interval(numbers, groups=people, within=photos)
        case "photos":
            return mean_interval(numbers, groups=photos)
        case _:
            return mean_interval(numbers, groups=range(len(rows)))


def figures(rows: Sequence[Row], suite: EvaluatorSuite) -> dict[str, Any]:
    """All figures of one method, with 95 % intervals named `<figure>_interval`."""
    unit = resampling_unit(rows)
    values: dict[str, Any] = {
        "portraits": len(rows),
        "compared": dict(sorted(Counter(row["identity_to"] or "nothing" for row in rows).items())),
        "impostor_distance": mean_of(rows, lambda row: row["impostor_distance"]),
    }
    values |= _mean("identity", rows, unit, lambda row: row["identity"])
    first = suite.perceptual
    values |= _mean("perceptual", rows, unit, lambda row: row[first] if first else None)
    values |= _mean("age_mae", rows, unit, _absolute("age_error"))
    values |= _mean("age_bias", rows, unit, lambda row: row["age_error"])
    values |= _mean("age_gap", rows, unit, _absolute("age_gap"))
    values |= _mean("bin_accuracy", rows, unit, lambda row: row["bin_correct"])
    for name in ("age_identity_accuracy", "verification_rate", "sharpness"):
        values |= _mean(name, rows, unit, lambda row, name=name: row[name])
    for name in ("identity_to_photos", "identity_to_photo"):
        values |= _mean(name, rows, unit, lambda row, name=name: row[name])
    if suite.domain == "photos":
        values |= _of_photographs(rows, unit)
    values |= _other_ages(rows, unit, suite)
    values["red_flags"] = red_flags(rows, suite)
    for evaluator in suite.identities[1:]:
        key = f"identity by {evaluator.name}"
        values |= _mean(key, rows, unit, lambda row, key=key: row[key])
    for name in suite.distances:
        if name != first:
            values |= _mean(f"distance by {name}", rows, unit, lambda row, name=name: row[name])
    values |= _monotonicity(rows, unit)
    values["reconstruction"] = _reconstruction([row for row in rows if row["reconstruction"]])
    values["interval_over"] = unit
    values["null"] = _reasons(values, suite)
    return values


def _of_photographs(rows: Sequence[Row], unit: Unit) -> dict[str, Any]:
    """Gender, and whose d0 identity is scaled by."""
    values: dict[str, Any] = {
        "impostor_cells": dict(Counter(row["impostor_cell"] for row in rows).most_common()),
        "sex_by": dict(Counter(row["sex_by"] for row in rows).most_common()),
    }
    values |= _mean("gender_kept", rows, unit, lambda row: row["gender_kept"])
    return values | _mean(
        "perceptual_to_photo", rows, unit, lambda row: row.get("perceptual_to_photo")
    )


def _other_ages(rows: Sequence[Row], unit: Unit, suite: EvaluatorSuite) -> dict[str, Any]:
    """Age errors by every evaluator but the first."""
    values: dict[str, Any] = {}
    for name in suite.ages_by[1:]:
        key = f"age by {name}"
        error = f"age_mae by {name}"
        values |= _mean(error, rows, unit, lambda row, key=key: abs(row[key] - row["target"]))
    return values


def red_flags(rows: Sequence[Row], suite: EvaluatorSuite) -> list[str]:
    """Sentences on what no figure of the summary shows, and no portrait should have."""
    kept = [row["gender_kept"] for row in rows if row["gender_kept"] is not None]
    flipped = kept.count(0.0)
    if not kept or flipped <= FLIPPED * len(kept):
        return []
    return [
        f"{flipped} of {len(kept)} portraits have another gender than their photo, by "
        f"{suite.gender_by}"
    ]


def by_target(rows: Sequence[Row], suite: EvaluatorSuite, *, decades: bool = False) -> list[Row]:
    """A row for each target age, or each decade of them (`target` is then their mean)."""
    groups: dict[float, list[Row]] = {}
    for row in sorted(rows, key=lambda row: row["target"]):
        groups.setdefault(row["target"] // 10 if decades else row["target"], []).append(row)
    return [
        {
            "target": round(float(np.mean([row["target"] for row in own])), 1)
            if decades
            else own[0]["target"],
            "extrapolated_years": own[0]["extrapolated_years"],
            **_brief(own, suite),
        }
        for own in groups.values()
    ]


def by_gap(rows: Sequence[Row], suite: EvaluatorSuite) -> list[Row]:
    """A row for each span of years between photo and target."""
    groups: list[Row] = []
    for low, high in pairwise(GAPS):
        own = [row for row in rows if row["gap"] is not None and low <= abs(row["gap"]) < high]
        if own:
            mean = float(np.mean([abs(row["gap"]) for row in own]))
            groups.append({"from": low, "to": high, "mean_gap": mean, **_brief(own, suite)})
    return groups


def mean_of(rows: Sequence[Row], key: Callable[[Row], float | None]) -> float | None:
    """The mean of the values that are not None, None without any."""
    values = [value for row in rows if (value := key(row)) is not None]
    return float(np.mean(values)) if values else None


def _brief(rows: Sequence[Row], suite: EvaluatorSuite) -> Row:
    first = suite.perceptual
    return {
        "portraits": len(rows),
        "identity": mean_of(rows, lambda row: row["identity"]),
        "perceptual": mean_of(rows, lambda row: row[first] if first else None),
        "predicted_age": mean_of(rows, lambda row: row["predicted_age"]),
        "age_mae": mean_of(rows, _absolute("age_error")),
        "age_bias": mean_of(rows, lambda row: row["age_error"]),
        "age_identity_accuracy": mean_of(rows, lambda row: row["age_identity_accuracy"]),
        "verification_rate": mean_of(rows, lambda row: row["verification_rate"]),
        "sharpness": mean_of(rows, lambda row: row["sharpness"]),
    }


def _mean(
    name: str, rows: Sequence[Row], unit: Unit, key: Callable[[Row], float | None]
) -> dict[str, Any]:
    known = [(row, value) for row in rows if (value := key(row)) is not None]
    if not known:
        return {name: None}
    own, numbers = zip(*known, strict=True)
    interval = interval_of(numbers, own, unit)
    return {name: interval.mean, f"{name}_interval": [interval.low, interval.high]}


def _absolute(name: str) -> Callable[[Row], float | None]:
    return lambda row: None if row[name] is None else abs(row[name])


def _monotonicity(rows: Sequence[Row], unit: Unit) -> dict[str, Any]:
    """Spearman's correlation of target and estimated age, by photo (at least three targets)."""
    correlations: list[float] = []
    photos: list[Row] = []
    for photo in sorted({row["photo_sha256"] for row in rows}):
        own = [row for row in rows if row["photo_sha256"] == photo]
        if len(own) >= 3 and all(row["predicted_age"] is not None for row in own):
            targets = [row["target"] for row in own]
            correlations.append(spearman(targets, [row["predicted_age"] for row in own]))
            photos.append(own[0])
    if not correlations:
        return {"monotonicity": None}
    interval = interval_of(correlations, photos, unit)
    return {
        "monotonicity": interval.mean,
        "monotonicity_interval": [interval.low, interval.high],
    }


def _reconstruction(rows: Sequence[Row]) -> dict[str, Any] | None:
    """Figures of the portraits at about the age of their photo."""
    if not rows:
        return None
    return {
        "portraits": len(rows),
        "identity_to_photo": mean_of(rows, lambda row: row["identity_to_photo"]),
        "perceptual": mean_of(rows, lambda row: row.get("reconstruction_perceptual")),
        "l2": mean_of(rows, lambda row: row["reconstruction_l2"]),
    }


def _reasons(values: dict[str, Any], suite: EvaluatorSuite) -> dict[str, str]:
    """Why a figure is null."""
    reasons = {
        "perceptual": suite.why_no_perceptual or NO_TRUTH,
        "age_gap": NO_TRUTH,
        "identity_to_photos": "no photos of the person were given",
        "monotonicity": "no photo has three target ages or more",
        "reconstruction": "no photo has its own age as a target",
        "perceptual_to_photo": suite.why_no_perceptual or NO_TRUTH,
    }
    if suite.why_no_age is not None:
        aged = (
            "age_mae",
            "age_bias",
            "age_gap",
            "bin_accuracy",
            "age_identity_accuracy",
            "monotonicity",
        )
        reasons |= dict.fromkeys(aged, suite.why_no_age)
    return {
        name: reasons.get(name, NO_TRUTH)
        for name, value in values.items()
        if value is None and name != "null"
    }
