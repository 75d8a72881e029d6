"""Tables of the personal proof, and what one method is nearer to the truth than another."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from engine.metrics.bootstrap import Interval, ratio_interval

WAYS = {"judge features": "nano-evaluator-features"}


def table_of(
    rows: Sequence[dict[str, Any]], targets: Sequence[float], by: Sequence[str]
) -> list[dict[str, Any]]:
    """Means over photographs, targets and seeds."""
    chosen = [row for row in rows if row["target"] in targets]
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in chosen:
        groups.setdefault(tuple(row[key] for key in by), []).append(row)
    measures = ("identity", "age_error", "age_and_identity", "correct", *WAYS, "gradients")
    return [
        {
            **dict(zip(by, key, strict=True)),
            **{name: float(np.mean([row[name] for row in own])) for name in measures},
        }
        for key, own in groups.items()
    ]


def gains(
    rows: Sequence[dict[str, Any]], method: str, than: str, targets: Sequence[float]
) -> dict[str, Interval]:
    """How much nearer to the truth one method is than another, in shares, with 95 % over people.

    Paired by photograph, target and, where both were trained, seed.
    """
    chosen = [row for row in rows if row["target"] in targets]

    def values(which: str, name: str) -> dict[tuple[Any, ...], list[float]]:
        found: dict[tuple[Any, ...], list[float]] = {}
        for row in chosen:
            if row["method"] == which:
                value = 1 - row[name] if name == "identity" else row[name]
                key = (row["person"], row["photo"], row["target"], row.get("seed", 0))
                found.setdefault(key, []).append(value)
        return found

    told: dict[str, Interval] = {}
    for name in ("identity", *WAYS, "gradients"):
        ours, theirs = values(method, name), values(than, name)
        pairs = [
            (key, np.mean(own), np.mean(theirs[key] if key in theirs else theirs[(*key[:3], 0)]))
            for key, own in ours.items()
        ]
        label = "1 - identity" if name == "identity" else name
        told[label] = ratio_interval(
            [other - own for _, own, other in pairs],
            [other for *_, other in pairs],
            groups=[key[0] for key, *_ in pairs],
            within=[key[1] for key, *_ in pairs],
        )
    return told


def said(lower: Mapping[str, Interval]) -> str:
    """Gains in a line."""
    return ", ".join(f"{k} {v.mean:+.1%} ({v.low:+.1%}..{v.high:+.1%})" for k, v in lower.items())
