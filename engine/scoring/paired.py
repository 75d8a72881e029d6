"""Paired comparison of two methods on the same tasks, with confidence intervals."""

from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Any

from engine.evaluators.suite import EvaluatorSuite
from engine.scoring.rows import Row
from engine.scoring.summary import interval_of, resampling_unit

MIN_PAIRS = 5
"""Common portraits below which neither method is called better."""
Value = Callable[[Row], float | None]


def measures(suite: EvaluatorSuite) -> dict[str, tuple[Value, int]]:
    """The compared figures: the value of a row, and 1 where more is better, -1 where less is."""
    values: dict[str, tuple[Value, int]] = {"identity": (lambda row: row["identity"], 1)}
    first = suite.perceptual
    if first is not None:
        values["perceptual"] = (lambda row: row[first], -1)
    values["age_mae"] = (
        lambda row: None if row["age_error"] is None else abs(row["age_error"]),
        -1,
    )
    values["age_identity_accuracy"] = (lambda row: row["age_identity_accuracy"], 1)
    return values


def paired(methods: dict[str, Sequence[Row]], suite: EvaluatorSuite) -> list[dict[str, Any]]:
    """Mean differences of every two methods over their common tasks, with 95 % intervals.

    `difference` is the first minus the second; `better` names the better method where the interval
    excludes 0, and is None otherwise or with fewer than five common portraits (`too_few`).
    """
    rows: list[dict[str, Any]] = []
    for one, other in combinations(methods, 2):
        ours, theirs = _keyed(methods[one]), _keyed(methods[other])
        both = [key for key in ours if key in theirs]
        for name, (value, sign) in measures(suite).items():
            pairs = [
                (ours[key], mine - yours)
                for key in both
                if (mine := value(ours[key])) is not None
                and (yours := value(theirs[key])) is not None
            ]
            if pairs:
                result, better = _difference(pairs, sign)
                names = {"one": one, "other": other, "figure": name}
                rows.append(names | result | {"better": {1: one, -1: other, 0: None}[better]})
    return rows


def _difference(pairs: Sequence[tuple[Row, float]], sign: int) -> tuple[dict[str, Any], int]:
    """The mean difference with its interval, and 1 or -1 where it is significant, else 0."""
    rows = [row for row, _ in pairs]
    unit = resampling_unit(rows)
    interval = interval_of([gap for _, gap in pairs], rows, unit)
    too_few = len(pairs) < MIN_PAIRS
    better = 0 if too_few else sign * ((interval.low > 0) - (interval.high < 0))
    result = {
        "portraits": len(pairs),
        "difference": interval.mean,
        "interval": [interval.low, interval.high],
        "interval_over": unit,
        "better": None,
        "too_few": too_few,
    }
    return result, better


def _keyed(rows: Sequence[Row]) -> dict[tuple[str, float], Row]:
    return {(row["photo_sha256"], row["target"]): row for row in rows}
