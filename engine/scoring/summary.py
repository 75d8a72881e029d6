"""From rows to figures, each with how far it may be trusted."""

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, Literal

import numpy as np

from engine.evaluators.suite import Panel
from engine.metrics.age import spearman
from engine.metrics.bootstrap import mean_interval
from engine.scoring.rows import Row

ENOUGH = 5
"""So many people, or photos, and they are what is drawn again; fewer say nothing of others."""
GAPS = (0, 2.5, 10, 20, 30, 40, 60, 120)
"""Edges of the bins of |gap| in years."""
NO_TRUTH = "no truth is known"
Unit = Literal["people", "photos", "portraits"]


def drawn_unit(rows: Sequence[Row]) -> Unit:
    """What the bootstrap draws: people, photos, or portraits where there are few of both."""
    if len({row["person"] for row in rows}) >= ENOUGH:
        return "people"
    return "photos" if len({row["photo_sha256"] for row in rows}) >= ENOUGH else "portraits"


def groups_of(rows: Sequence[Row], unit: Unit) -> list[str] | None:
    """The labels that `mean_interval` draws."""
    match unit:
        case "people":
            return [str(row["person"]) for row in rows]
        case "photos":
            return [row["photo_sha256"] for row in rows]
        case _:
            return None


def figures(rows: Sequence[Row], panel: Panel) -> dict[str, Any]:
    """All figures of one way, with 95 % intervals named `<figure>_interval`."""
    unit = drawn_unit(rows)
    told: dict[str, Any] = {
        "portraits": len(rows),
        "compared": dict(sorted(Counter(row["identity_to"] or "nothing" for row in rows).items())),
        "identity_strangers": mean_of(rows, lambda row: row["strangers"]),
    }
    told |= _mean("identity", rows, unit, lambda row: row["identity"])
    first = panel.perceptual
    told |= _mean("perceptual", rows, unit, lambda row: row[first] if first else None)
    told |= _mean("age_mae", rows, unit, _absolute("age_error"))
    told |= _mean("age_bias", rows, unit, lambda row: row["age_error"])
    told |= _mean("age_gap", rows, unit, _absolute("age_gap"))
    told |= _mean("bin_accuracy", rows, unit, lambda row: row["bin_right"])
    told |= _mean("right", rows, unit, lambda row: row["right"])
    told |= _mean("known_again", rows, unit, lambda row: row["known_again"])
    told |= _mean("sharpness", rows, unit, lambda row: row["sharpness"])
    for name in ("identity_to_photos", "identity_to_photo"):
        told |= _mean(name, rows, unit, lambda row, name=name: row[name])
    for judge in panel.identities[1:]:
        key = f"identity by {judge.name}"
        told |= _mean(key, rows, unit, lambda row, key=key: row[key])
    for name in panel.distances:
        if name != first:
            told |= _mean(f"distance by {name}", rows, unit, lambda row, name=name: row[name])
    told |= _monotonicity(rows)
    told["reconstruction"] = _again([row for row in rows if row["reconstruction"]])
    told["interval_over"] = unit
    told["null"] = _reasons(told, panel)
    return told


def by_target(rows: Sequence[Row], panel: Panel) -> list[Row]:
    """A row for each age that was asked for."""
    targets = sorted({row["target"] for row in rows})
    return [
        {
            "target": target,
            "beyond": own[0]["beyond"],
            **_brief(own, panel),
        }
        for target in targets
        for own in [[row for row in rows if row["target"] == target]]
    ]


def by_gap(rows: Sequence[Row], panel: Panel) -> list[Row]:
    """A row for each span of years between photo and target."""
    told: list[Row] = []
    for low, high in pairwise(GAPS):
        own = [row for row in rows if row["gap"] is not None and low <= abs(row["gap"]) < high]
        if own:
            mean = float(np.mean([abs(row["gap"]) for row in own]))
            told.append({"from": low, "to": high, "mean_gap": mean, **_brief(own, panel)})
    return told


def mean_of(rows: Sequence[Row], key: Callable[[Row], float | None]) -> float | None:
    """The mean of what is there, None if nothing is."""
    values = [value for row in rows if (value := key(row)) is not None]
    return float(np.mean(values)) if values else None


def _brief(rows: Sequence[Row], panel: Panel) -> Row:
    first = panel.perceptual
    return {
        "portraits": len(rows),
        "identity": mean_of(rows, lambda row: row["identity"]),
        "perceptual": mean_of(rows, lambda row: row[first] if first else None),
        "predicted_age": mean_of(rows, lambda row: row["predicted_age"]),
        "age_mae": mean_of(rows, _absolute("age_error")),
        "age_bias": mean_of(rows, lambda row: row["age_error"]),
        "right": mean_of(rows, lambda row: row["right"]),
        "known_again": mean_of(rows, lambda row: row["known_again"]),
        "sharpness": mean_of(rows, lambda row: row["sharpness"]),
    }


def _mean(
    name: str, rows: Sequence[Row], unit: Unit, key: Callable[[Row], float | None]
) -> dict[str, Any]:
    there = [row for row in rows if key(row) is not None]
    if not there:
        return {name: None}
    values = np.array([key(row) for row in there], np.float64)
    found = mean_interval(values, groups=groups_of(there, unit))
    return {name: found.mean, f"{name}_interval": [found.low, found.high]}


def _absolute(name: str) -> Callable[[Row], float | None]:
    return lambda row: None if row[name] is None else abs(row[name])


def _monotonicity(rows: Sequence[Row]) -> dict[str, Any]:
    """Spearman's correlation of target and judged age, photo by photo (at least three ages)."""
    found: list[float] = []
    for photo in sorted({row["photo_sha256"] for row in rows}):
        own = [row for row in rows if row["photo_sha256"] == photo]
        if len(own) >= 3 and all(row["predicted_age"] is not None for row in own):
            targets = [row["target"] for row in own]
            found.append(spearman(targets, [row["predicted_age"] for row in own]))
    if not found:
        return {"monotonicity": None}
    interval = mean_interval(found)
    return {
        "monotonicity": interval.mean,
        "monotonicity_interval": [interval.low, interval.high],
    }


def _again(rows: Sequence[Row]) -> dict[str, Any] | None:
    """How well photos come out at about their own age."""
    if not rows:
        return None
    return {
        "portraits": len(rows),
        "identity_to_photo": mean_of(rows, lambda row: row["identity_to_photo"]),
        "perceptual": mean_of(rows, lambda row: row.get("reconstruction_perceptual")),
        "l2": mean_of(rows, lambda row: row["reconstruction_l2"]),
    }


def _reasons(told: dict[str, Any], panel: Panel) -> dict[str, str]:
    """Why a figure is null."""
    reasons = {
        "perceptual": panel.why_no_perceptual or NO_TRUTH,
        "age_gap": NO_TRUTH,
        "identity_to_photos": "no photos of the person were given",
        "monotonicity": "no photo was brought to three ages or more",
        "reconstruction": "no photo was brought to its own age",
    }
    if panel.why_no_age is not None:
        aged = ("age_mae", "age_bias", "age_gap", "bin_accuracy", "right", "monotonicity")
        reasons |= dict.fromkeys(aged, panel.why_no_age)
    return {
        name: reasons.get(name, NO_TRUTH)
        for name, value in told.items()
        if value is None and name != "null"
    }
