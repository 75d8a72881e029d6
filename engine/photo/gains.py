"""How strongly each part of the change is applied, so that people look the ages they are shown at.

Mean changes look too weak: averages over people blur what is sharp in each of them (Tiddeman, Burt
and Perrett 2001). So parts are made stronger than the mean, those first of which an age estimator
sees most for the least change to the picture, until it sees the years that were asked for.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from engine.geometry.landmarks import COUNT
from engine.photo.ageing import age_subject
from engine.photo.frame import Floats, Pixels
from engine.photo.model import PARTS, PhotoModel, uniform_gain
from engine.photo.subject import PhotoSubject

TARGETS = (35.0, 50.0, 65.0, 80.0)
MEASURED = ("hair",)
"""Parts that stay at a gain of 1: pairs of photographs of one person confirm the fitted change."""
PROBE = 4.0
MOST = {
    "shape": (2.7, 3.0),
    "colour": (2.0, 2.5),
    "folds": (30.0, 24.0),
    "hair": (1.0, 1.0),
    "detail": (16.0, 10.0),
    "lines": (3.0, 3.0),
}
"""The largest gain of each part, older and younger. Of shape, folds and hair: where dlib's distance
to the photograph, over 35, 50, 65 and 80 years, nears .25 for `train` people. Of detail and lines,
older: where faces do not look scratched yet, to the eye; pairs of photographs say that already this
is too much."""
FIRST_PULL, MOST_PULL = 8.4, 30.0
MOVED = 0.04
"""How much a shift of what is there counts beside a change of it, level for level."""
SWEEPS = 4
NEAR = 0.1
"""Step of the pull at which the search ends."""
LEAST_YEARS = 5.0
"""Years from a person's age under which a target says little."""

AgeEstimator = Callable[[Pixels, Floats], float]
"""From a photograph (h, w, 3) and landmarks (68, 2) to years."""
Doubles = NDArray[np.float64]


def calibrate_gains(
    model: PhotoModel,
    subjects: Sequence[PhotoSubject],
    ages: NDArray[np.floating],
    estimator: AgeEstimator,
    *,
    targets: Sequence[float] = TARGETS,
    own: NDArray[np.floating] | None = None,
) -> PhotoModel:
    """The model with gains at which the estimator sees, per year asked, what it sees per true year.

    subjects: n people, prepared with any model of the same frame; ages: (n,) true years. Appearance
    codes below and above 0 and the two directions are calibrated apart, each against the
    estimator's slope on true ages: `own`, (2,) for codes below and above 0, where it was measured
    on more people than are aged here, else that on these. ValueError for fewer than three people on
    a side.
    """
    ages = np.asarray(ages, np.float64)
    people = [replace(subject, model=model) for subject in subjects]
    sides = np.array([subject.code >= 0 for subject in people], int)
    if min((sides == side).sum() for side in (0, 1)) < 3:
        raise ValueError("gains need three people or more on either side of the appearance code")
    seen = np.array([estimator(p.pixels, _landmarks(p)) for p in people])
    if own is None:
        own = np.array([np.polyfit(ages[sides == s], seen[sides == s], 1)[0] for s in (0, 1)])
    study = _Study(people, ages, sides, seen, estimator)
    worth = _worth(study, (min(targets), max(targets)))
    pull = np.full((2, 2), FIRST_PULL)
    tried: list[tuple[Doubles, Doubles]] = []
    for _ in range(SWEEPS):
        slopes, _ = study.slopes(_gains(worth, pull), targets)
        tried.append((pull, slopes / own))
        pull = _next_pull(tried)
        if (np.abs(pull - tried[-1][0]) < NEAR).all():
            break
    best = np.argmin([np.abs(share - 1) for _, share in tried], axis=0)
    pulls = np.stack([pull for pull, _ in tried])
    chosen = np.take_along_axis(pulls, best[None], axis=0)[0]
    return replace(model, gain=_gains(worth, chosen))


class _Study:
    """People who are aged with trial gains and shown to the estimator."""

    def __init__(
        self,
        people: Sequence[PhotoSubject],
        ages: Doubles,
        sides: NDArray[np.integer],
        seen: Doubles,
        estimator: AgeEstimator,
    ) -> None:
        self.people, self.ages, self.sides, self.seen = people, ages, sides, seen
        self.estimator = estimator

    def slopes(self, gain: Floats, targets: Sequence[float]) -> tuple[Doubles, list[Pixels]]:
        """Years seen per year asked, (2, 2) by direction and side, and the pictures."""
        products, squares = np.zeros((2, 2)), np.full((2, 2), 1e-9)
        pictures: list[Pixels] = []
        for person, age, side, before in zip(
            self.people, self.ages, self.sides, self.seen, strict=True
        ):
            changed = replace(person, model=replace(person.model, gain=gain))
            for target in targets:
                years = target - age
                if abs(years) < LEAST_YEARS:
                    continue
                picture = age_subject(changed, age, target)
                shift = self.estimator(picture, _landmarks(person)) - before
                where = (int(years < 0), int(side))
                products[where] += years * shift
                squares[where] += years * years
                pictures.append(picture)
        return products / squares, pictures


def _worth(study: _Study, targets: Sequence[float]) -> Doubles:
    """What each part is worth, (2, 6) by direction: years seen per change of the picture.

    Appearances are taken together here: what a part does to the estimate is noisy for each.
    """
    plain = uniform_gain(1, 1)
    base, before = study.slopes(plain, targets)
    worth = np.zeros((2, len(PARTS)))
    for part, name in enumerate(PARTS):
        if name in MEASURED:
            continue
        probe = plain.copy()
        probe[:, part] = PROBE
        slopes, pictures = study.slopes(probe, targets)
        gained = np.maximum(slopes - base, 0).mean(axis=1)
        cost = _conspicuous(pictures, before) * (MOVED if name == "shape" else 1)
        worth[:, part] = gained / max(cost, 1e-6)
    return worth / np.maximum(worth.max(axis=1, keepdims=True), 1e-9)


def _conspicuous(pictures: Sequence[Pixels], others: Sequence[Pixels]) -> float:
    """How much pictures differ, in squared levels; few large changes count more than many small."""
    apart = [
        np.mean((one.astype(np.float32) - other.astype(np.float32)) ** 4)
        for one, other in zip(pictures, others, strict=True)
    ]
    return float(np.sqrt(np.mean(apart)))


def _gains(worth: Doubles, pull: Doubles) -> Floats:
    """Gains (2, 6, 2) of parts by their worth (2, 6) and how hard (2, 2) they are pulled."""
    gain = 1 + worth[..., None] * pull[:, None]
    most = np.array([MOST[part] for part in PARTS]).T
    return np.minimum(gain, most[..., None]).astype(np.float32)


def _next_pull(tried: Sequence[tuple[Doubles, Doubles]]) -> Doubles:
    """Where a line through the last two trials, or through none and one, meets a share of 1."""
    pull, share = tried[-1]
    before, share_before = tried[-2] if len(tried) > 1 else (np.zeros((2, 2)), share * 0.4)
    rise = (share - share_before) / np.where(np.abs(pull - before) < 1e-6, np.inf, pull - before)
    step = (1 - share) / np.maximum(rise, 0.02)
    return np.clip(pull + np.clip(step, -4, 10), 0, MOST_PULL)


def _landmarks(subject: PhotoSubject) -> Floats:
    return subject.view.to_frame.inverse().points(subject.view.points[:COUNT])
