"""Two ways on the same photos and ages: which is better at what, and is that outside noise."""

from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Any

from engine.evaluators.suite import Panel
from engine.metrics.bootstrap import mean_interval
from engine.scoring.rows import Row
from engine.scoring.summary import drawn_unit, groups_of

FEWEST = 5
"""Portraits in common below which nothing is said to be better: so few may all lie to one side."""
Value = Callable[[Row], float | None]


def measures(panel: Panel) -> dict[str, tuple[Value, int]]:
    """What is compared: the value of a row, and 1 where more is better, -1 where less is."""
    told: dict[str, tuple[Value, int]] = {"identity": (lambda row: row["identity"], 1)}
    first = panel.perceptual
    if first is not None:
        told["perceptual"] = (lambda row: row[first], -1)
    told["age_mae"] = (lambda row: None if row["age_error"] is None else abs(row["age_error"]), -1)
    told["right"] = (lambda row: row["right"], 1)
    return told


def paired(ways: dict[str, Sequence[Row]], panel: Panel) -> list[dict[str, Any]]:
    """Mean differences of every two ways over what both were asked for, with 95 % intervals.

    `difference` is the first less the second; `better` names the way that is better where the
    interval leaves out 0, and is None within noise, or where `few` says that five portraits are
    not in common.
    """
    told: list[dict[str, Any]] = []
    for one, other in combinations(ways, 2):
        ours, theirs = _keyed(ways[one]), _keyed(ways[other])
        both = [key for key in ours if key in theirs]
        for name, (value, sign) in measures(panel).items():
            pairs = [
                (ours[key], mine - yours)
                for key in both
                if (mine := value(ours[key])) is not None
                and (yours := value(theirs[key])) is not None
            ]
            if pairs:
                told.append({"one": one, "other": other, "figure": name} | _told(pairs, sign))
                better = told[-1]["better"]
                told[-1]["better"] = {1: one, -1: other, 0: None}[better]
    return told


def _told(pairs: Sequence[tuple[Row, float]], sign: int) -> dict[str, Any]:
    rows = [row for row, _ in pairs]
    unit = drawn_unit(rows)
    found = mean_interval([gap for _, gap in pairs], groups=groups_of(rows, unit))
    few = len(pairs) < FEWEST
    better = 0 if few else sign * ((found.low > 0) - (found.high < 0))
    return {
        "portraits": len(pairs),
        "difference": found.mean,
        "interval": [found.low, found.high],
        "interval_over": unit,
        "better": better,
        "few": few,
    }


def _keyed(rows: Sequence[Row]) -> dict[tuple[str, float], Row]:
    return {(row["photo_sha256"], row["target"]): row for row in rows}
