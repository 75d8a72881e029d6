"""How far the age that networks see follows the age that was asked for, and what else changes.

Shares are of each network's own slope on the true ages of the same people: a network that sees .7
years per true year should see .7 per year of ageing, not 1.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.faces.descriptor import SAME_PERSON
from engine.metrics.bootstrap import figure_interval
from engine.photo.ageing import age_subject
from engine.photo.model import PhotoModel
from engine.photo.subject import prepare_subject
from evaluation.photos.models import FOLDS, Fits, fold_of, model_digest
from evaluation.photos.networks import INDEPENDENT, Line, Networks, Seen, even_weights
from evaluation.photos.portraits import Arrays, Cache, Portrait

TARGETS = (35.0, 50.0, 65.0, 80.0)
DRAWS = 1000
OUTSIDE = 0.03
"""Person mask under which a pixel is background."""
LIGHTNESS = {"dark skin": (0.0, 55.0), "middle skin": (55.0, 65.0), "light skin": (65.0, 101.0)}
"""L of the cheeks."""
CHANGES = (0, 10, 20, 30, 60)
LEAST_GROUP = 20
SHARE, ERROR, GROUP, DISTANCE, SAME, BACKGROUND = (0.9, 1.15), 1.1, 0.8, 0.25, 0.98, 0.5
"""The goals: see `goals`."""
Floats = NDArray[np.float64]
Figures = dict[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """n people at four targets: arrays (n,) or (n, 4).

    raw, seen: years of each network on the photograph, and on it aged; lines: what takes them to
    calibrated years, (n,) each, fitted on others.
    """

    people: Sequence[Portrait]
    raw: dict[str, Floats]
    seen: dict[str, Floats]
    lines: dict[str, list[Line]]
    distance: Floats
    background: Floats
    same_sex: Floats
    lightness: Floats

    @property
    def ages(self) -> Floats:
        """True ages (n,)."""
        return np.array([p.age for p in self.people])

    @property
    def asked(self) -> Floats:
        """Years asked for (n, 4)."""
        return np.array(TARGETS) - self.ages[:, None]


def judge_shipped(
    people: Sequence[Portrait],
    train: Sequence[Portrait],
    model: PhotoModel,
    networks: Networks,
    cache: Cache,
) -> Judged:
    """The model on people it never saw; networks are calibrated on train people."""
    lines = _lines(networks.untouched(train, cache), train, networks)
    rows = [_aged(p, model, networks, cache) for p in people]
    return _judged(people, networks, cache, rows, {n: [lines[n]] * len(people) for n in lines})


def judge_across(
    people: Sequence[Portrait], fits: Fits, networks: Networks, cache: Cache, most: int | None
) -> Judged:
    """Cross-fit: each fold of people by a model and calibrations that saw the others only.

    most: at most so many people are judged, evenly from all folds.
    """
    folds = fold_of(people)
    chosen: list[Portrait] = []
    rows: list[Arrays] = []
    lines: dict[str, list[Line]] = {name: [] for name in networks.names}
    for fold in range(FOLDS):
        held = [p for p, at in zip(people, folds, strict=True) if at == fold]
        others = [p for p, at in zip(people, folds, strict=True) if at != fold]
        model = fits.without({p.person for p in held}, train_only=True)
        fitted = _lines(networks.untouched(others, cache), others, networks)
        for p in held[: None if most is None else most // FOLDS]:
            chosen.append(p)
            rows.append(_aged(p, model, networks, cache))
            for name, line in fitted.items():
                lines[name].append(line)
    return _judged(chosen, networks, cache, rows, lines)


def _lines(seen: Sequence[Seen], people: Sequence[Portrait], networks: Networks) -> dict[str, Line]:
    ages = np.array([p.age for p in people])
    return {
        name: Line.fitted(np.array([one.years[name] for one in seen]), ages)
        for name in networks.names
    }


def _aged(p: Portrait, model: PhotoModel, networks: Networks, cache: Cache) -> Arrays:
    """What networks see in one person at all targets; kept between runs."""
    names = "+".join(networks.names)
    return cache.get(
        f"aged_{p.key}_{model_digest(model)}_{names}", lambda: _measured(p, model, networks)
    )


def _measured(p: Portrait, model: PhotoModel, networks: Networks) -> Arrays:
    subject = prepare_subject(p.pixels, p.face.landmarks, model, person=p.mask)
    outside, seen, changes = p.mask < OUTSIDE, [], []
    for target in TARGETS:
        made = age_subject(subject, p.age, target)
        seen.append(networks.see(made, p.face))
        gap = np.abs(made.astype(np.float32) - p.pixels).mean(axis=-1)
        changes.append(float(gap[outside].mean()) if outside.any() else 0.0)
    return {
        "descriptor": np.stack([one.descriptor for one in seen]),
        "male": np.array([one.male for one in seen]),
        "background": np.array(changes),
        "lightness": np.array(float(subject.view.masks.skin_colour[0])),
        **{f"years {n}": np.array([one.years[n] for one in seen]) for n in networks.names},
    }


def _judged(
    people: Sequence[Portrait],
    networks: Networks,
    cache: Cache,
    rows: Sequence[Arrays],
    lines: dict[str, list[Line]],
) -> Judged:
    before = networks.untouched(people, cache)
    start = np.stack([one.descriptor for one in before])[:, None]
    male = np.array([one.male for one in before])[:, None] > 0.5
    return Judged(
        people=people,
        raw={n: np.array([one.years[n] for one in before]) for n in networks.names},
        seen={n: np.stack([row[f"years {n}"] for row in rows]) for n in networks.names},
        lines=lines,
        distance=np.linalg.norm(np.stack([row["descriptor"] for row in rows]) - start, axis=-1),
        background=np.stack([row["background"] for row in rows]),
        same_sex=(np.stack([row["male"] for row in rows]) > 0.5) == male,
        lightness=np.array([float(row["lightness"]) for row in rows]),
    )


def figures(judged: Judged) -> Figures:
    """All figures; means over people and targets, with 95 % intervals over people."""
    asked, distance = np.abs(judged.asked), judged.distance
    result: Figures = {
        "people": len(judged.people),
        "targets": list(TARGETS),
        "do_nothing": {"slope": 0.0, "distance": 0.0, "error": _mean(asked)},
        "networks": {name: _network(judged, name) for name in judged.raw},
        "distance": _mean(distance),
        "same_person": _mean(distance < SAME_PERSON),
        "by_change": {
            f"{low}-{high}": {
                "pictures": int(here.sum()),
                "distance": round(float(distance[here].mean()), 3),
                "same_person": round(float((distance[here] < SAME_PERSON).mean()), 3),
            }
            for low, high in pairwise(CHANGES)
            if (here := (asked >= low) & (asked < high)).any()
        },
        "gender_kept": _mean(judged.same_sex),
        "background_levels": _mean(judged.background),
    }
    return result | {"goals": goals(result)}


def goals(result: Figures) -> Figures:
    """Whether each goal is met, by the point estimates; face-api decides nothing."""
    networks = {n: one for n, one in result["networks"].items() if n in INDEPENDENT}
    low, high = SHARE
    met: Figures = {
        f"{name} {way}: {low} to {high} of its own slope": low <= one[way][0] <= high
        for name, one in networks.items()
        for way in ("older", "younger")
    }
    for name, one in networks.items():
        met[f"{name}: error at most {ERROR} times its own"] = (
            one["error"][0] <= ERROR * one["own_error"][0]
        )
        met[f"{name}: no group that decides under {GROUP} of the mean share"] = all(
            group["of_mean"] is not None and group["of_mean"] >= GROUP
            for group in one["groups"].values()
            if group["decides"]
        )
    met[f"dlib distance at most {DISTANCE}"] = result["distance"][0] <= DISTANCE
    met[f"same person in at least {SAME}"] = result["same_person"][0] >= SAME
    met[f"background changed by at most {BACKGROUND} levels"] = (
        result["background_levels"][0] <= BACKGROUND
    )
    return met


def _network(judged: Judged, name: str) -> Figures:
    raw, seen, ages, asked = judged.raw[name], judged.seen[name], judged.ages, judged.asked
    shift = seen - raw[:, None]

    def own(rows: NDArray[np.int64]) -> float:
        years = ages[rows] - ages[rows].mean()
        return float((years * raw[rows]).sum() / (years * years).sum())

    def share(where: NDArray[np.bool_]) -> Callable[[NDArray[np.int64]], float]:
        products, squares = asked * shift * where, asked * asked * where
        return lambda rows: float(products[rows].sum() / squares[rows].sum() / own(rows))

    everything = np.ones_like(asked, bool)
    everybody = np.arange(len(ages))
    mean = share(everything)(everybody)
    slope, offset, known = np.array(judged.lines[name]).T
    error = np.abs(slope[:, None] * seen + offset[:, None] - judged.asked - ages[:, None])
    own_error = np.abs(slope * raw + offset - ages)
    weights = even_weights(ages)
    return {
        "role": "in no fit, loss or gain" if name in INDEPENDENT else "in the gain",
        "own_slope": with_interval(own, len(ages)),
        "share_of_own_slope": with_interval(share(everything), len(ages)),
        "share_of_slope_on_train": round(mean * own(everybody) / float(known.mean()), 3),
        "older": with_interval(share(asked > 0), len(ages)),
        "younger": with_interval(share(asked < 0), len(ages)),
        "groups": {
            key: _group(asked[rows], shift[rows], own(everybody), mean)
            for key, rows in _groups(judged).items()
            if rows.size
        },
        "error": _mean(error),
        "own_error": _mean(own_error[:, None]),
        "own_error_at_even_ages": round(float((own_error * weights).mean()), 3),
    }


def _groups(judged: Judged) -> dict[str, NDArray[np.int64]]:
    sex = np.array([p.sex for p in judged.people])
    rows = {"men": np.flatnonzero(sex == "M"), "women": np.flatnonzero(sex == "F")}
    for name, (low, high) in LIGHTNESS.items():
        rows[name] = np.flatnonzero((judged.lightness >= low) & (judged.lightness < high))
    return rows


def _group(asked: Floats, shift: Floats, own: float, mean: float) -> Figures:
    """Share of the own slope on everybody: a few people of a group say little of a network's."""
    products, squares = (asked * shift).sum(axis=1), (asked * asked).sum(axis=1)
    share = with_interval(
        lambda rows: float(products[rows].sum() / squares[rows].sum() / own), len(asked)
    )
    return {
        "people": len(asked),
        "decides": len(asked) >= LEAST_GROUP,
        "share": share,
        "of_mean": round(share[0] / mean, 3) if mean else None,
    }


def with_interval(
    value: Callable[[NDArray[np.int64]], float], people: int, draws: int = DRAWS
) -> list[float]:
    """A value of rows of people (n,), and its 95 % interval over people drawn anew."""
    interval = figure_interval(value, groups=range(people), resamples=draws)
    return [round(one, 3) for one in interval]


def _mean(values: NDArray[Any]) -> list[float]:
    """The mean of (n, k) and its interval."""
    return with_interval(lambda rows: float(values[rows].mean()), len(values))
