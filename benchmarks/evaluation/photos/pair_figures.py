"""Figures of the decade pairs: what comes nearer to the truth, with 95 % intervals over people."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluation.photos.judged import with_interval
from evaluation.photos.pairs import HAIR, WAYS, PairRows, subset

GAPS = ((4.0, 7.5), (7.5, 9.0), (9.0, 12.0))
FEWEST = 10
COARSE = (2, 3)
SHARE, NEAR = 0.5, 0.02
"""Of the goals: least share of the finest band's true growth, and how far the coarse bands, whose
true change is near 0, may be off it.
"""
Figures = dict[str, Any]
Floats = NDArray[np.float64]


def pair_figures(rows: PairRows) -> Figures:
    """Everybody, men, women, and by the years between the photographs."""
    sex = np.array([pair.earlier.sex for pair in rows.pairs])
    years = np.array([pair.years for pair in rows.pairs])
    groups = {"all": np.ones(len(sex), bool), "men": sex == "M", "women": sex == "F"}
    groups |= {f"{low:g} to {high:g} years": (years >= low) & (years < high) for low, high in GAPS}
    figures = {
        name: _group(subset(rows, where)) for name, where in groups.items() if where.sum() >= FEWEST
    }
    return figures | {"goals": goals(figures["all"])}


def goals(figures: Figures) -> Figures:
    """Which measures come clearly nearer to the truth, and whether the goals of detail are met."""
    errors = {
        name: figures[name]["error_less_left"]
        for name in ("hair lightness", *(f"band {band}" for band in range(HAIR)))
    }
    distances = {name: figures[name] for name in ("dlib", "faceres") if figures[name] is not None}
    errors |= {name: one["aged_less_left"] for name, one in distances.items()}
    fine, coarse = figures["band 0"], [figures[f"band {band}"] for band in COARSE]
    return {
        "nearer than as it is": [name for name, (_, _, high) in errors.items() if high < 0],
        "farther than as it is": [name for name, (_, low, _) in errors.items() if low > 0],
        "the wrong direction is worse": [
            name for name, one in distances.items() if one["aged_less_wrong"][2] < 0
        ],
        "finest band: correlates with the truth": fine["correlation"][1] > 0,
        "finest band: noise does not": fine["noise"]["correlation"][1] <= 0,
        f"finest band: at least {SHARE} of its true size": (
            fine["made"][0] >= SHARE * fine["true"][0]
        ),
        f"coarse bands: within {NEAR} of the truth": all(
            abs(one["made"][0] - one["true"][0]) <= NEAR for one in coarse
        ),
    }


def _group(rows: PairRows) -> Figures:
    years = np.array([pair.years for pair in rows.pairs])
    figures: Figures = {"pairs": len(years), "years": round(float(years.mean()), 2)}
    for name, distance in (("dlib", rows.dlib), ("faceres", rows.faceres)):
        figures[name] = None if not distance else _distances(distance)
    figures["hair lightness"] = _change(rows, HAIR)
    for band in range(HAIR):
        figures[f"band {band}"] = _change(rows, band)
    figures["band 0"] |= {
        name: _against_truth(*(rows.changes[one][:, 0] for one in ("true", way, "before")))
        for name, way in (("noise", "noise"), ("ceiling", "again"))
    }
    return figures


def _distances(distance: dict[str, Floats]) -> Figures:
    """Below 0: aged comes nearer to the true later photograph than what it is compared with."""
    return {
        "left": round(float(distance["left"].mean()), 4),
        "aged_less_left": _mean(distance["aged"] - distance["left"]),
        "aged_less_wrong": _mean(distance["aged"] - distance["wrong"]),
        "wrong_less_left": _mean(distance["wrong"] - distance["left"]),
    }


def _change(rows: PairRows, index: int) -> Figures:
    values = {name: rows.changes[name][:, index] for name in ("before", "true", *WAYS)}
    known = np.isfinite(np.stack(list(values.values()))).all(axis=0)
    true, aged, wrong = (values[name][known] for name in ("true", "aged", "wrong"))
    return {
        "seen": int(known.sum()),
        "true": _mean(true),
        **_against_truth(true, aged, values["before"][known]),
        "error_less_left": _mean(np.abs(true - aged) - np.abs(true)),
        "error_less_wrong": _mean(np.abs(true - aged) - np.abs(true - wrong)),
    }


def _against_truth(true: Floats, made: Floats, before: Floats) -> Figures:
    """The size of a change, and its correlation with the true one given the earlier measure.

    The earlier measure is taken off both, so its errors alone would correlate them: soft pictures
    gain more log energy from any noise, and by chance from the later picture.
    """
    known = np.isfinite(true) & np.isfinite(made)
    columns = np.stack([true[known], made[known]], axis=1)
    design = np.stack([np.ones(len(columns)), before[known]], axis=1)

    def correlation(rows: NDArray[np.int64]) -> float:
        fitted, *_ = np.linalg.lstsq(design[rows], columns[rows], rcond=None)
        return float(np.corrcoef((columns[rows] - design[rows] @ fitted).T)[0, 1])

    return {"made": _mean(columns[:, 1]), "correlation": with_interval(correlation, len(columns))}


def _mean(values: Floats) -> list[float]:
    return [
        round(one, 4) for one in with_interval(lambda rows: float(values[rows].mean()), len(values))
    ]
