"""What a one-shot gained on held-out photos, and the base in its place where it gained nothing."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from engine.config.load import load_recipe
from engine.core.atomic import write_json
from engine.core.progress import Silence
from engine.core.regular import open_regular
from engine.metrics.bootstrap import Interval, ratio_interval
from engine.nets.assemble import time_machine
from engine.nets.loading import frozen
from engine.nets.named import load_identity_network
from engine.nets.protocols import AgeEstimator, IdentityNetwork
from engine.nets.timemachine import TimeMachine
from engine.training.checkpoint import NETS, Checkpoints, read_delivered
from engine.training.launcher import is_child
from engine.training.loop import Outcome
from engine.training.photos import Photos, SplitPhotos, read_photos
from engine.training.run_folder import RECIPE
from engine.trainings.age_evaluators import load_age_evaluator
from engine.trainings.personal.oneshot import is_oneshot
from engine.trainings.personal.recipe import PersonalRecipe
from engine.trainings.personal.validation import SAME_AGE, pooled
from engine.weights.find import LATEST, find_weights
from engine.weights.load import read_checkpoint

CPU = torch.device("cpu")
GAIN, METRIC = "gain.json", "held_out_gain"
FEWEST = 3
"""Held-out photos without which nothing can be said."""
MOST_OLDER = 1.0
"""Years by which the age error may grow for more identity."""


@dataclass(frozen=True, slots=True)
class Gain:
    """The base and its refinement on photos that neither was trained on.

    photos: how many were aged; compared_with: the photos of the person near the age that identity
    is measured against, `held-out` or, where there is none, `training`; identity_base, identity:
    mean 1 - cosine to the nearest of them; gained: the share by which it fell, with its 95 %
    interval over photos; age_base, age: mean years off the target by the independent evaluator,
    None without one.
    """

    photos: int
    compared_with: str
    identity_base: float
    identity: float
    gained: Interval
    age_base: float | None
    age: float | None

    @property
    def known(self) -> bool:
        """Whether there were enough photos to tell."""
        return self.photos >= FEWEST

    @property
    def helped(self) -> bool:
        """Whether the interval lies above 0 and the age is no worse; True where nobody can tell."""
        if not self.known:
            return True
        older = 0.0 if self.age is None or self.age_base is None else self.age - self.age_base
        return self.gained.low > 0 and older <= MOST_OLDER

    def __str__(self) -> str:
        if not self.known:
            return f"{self.photos} held-out photos are too few to tell what the one-shot gained"
        ages = ""
        if self.age is not None and self.age_base is not None:
            ages = f"; age off by {self.age:.1f} years, before {self.age_base:.1f}"
        mean, low, high = (100 * value for value in self.gained)
        return (
            f"distance of identity on {self.photos} held-out photos {self.identity:.3f}, before"
            f" {self.identity_base:.3f}: {-mean:+.1f} % ({-high:+.1f} to {-low:+.1f}){ages}"
        )

    def dump(self) -> dict[str, Any]:
        """As `gain.json` holds it."""
        return {
            "photos": self.photos,
            "compared_with": self.compared_with,
            "identity_base": self.identity_base,
            "identity": self.identity,
            "gained": list(self.gained),
            "age_base": self.age_base,
            "age": self.age,
            "kept": "refinement" if self.helped else "base",
            "says": str(self),
        }


def read_gain(run: Path) -> dict[str, Any] | None:
    """What `settle` wrote into a run; None if it wrote nothing, or nothing that can be read."""
    try:
        with open_regular(run / GAIN) as file:
            found = json.loads(file.read())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def settle(run: Path, outcome: Outcome) -> Gain | None:
    """Measure a finished one-shot against its base; deliver the base where it gained nothing.

    Writes `gain.json` into the run. None for a run of another kind, one that was stopped, and where
    there is no held-out photo. The weights of the refinement stay in `checkpoints/step_N`.
    """
    if is_child() or outcome.ended == "stopped" or not (run / RECIPE).is_file():
        return None
    recipe = load_recipe(run / RECIPE)
    if not isinstance(recipe, PersonalRecipe) or not is_oneshot(recipe):
        return None
    start, delivered = find_weights(recipe.require("start")), find_weights(str(run))
    latest = run / "checkpoints" / LATEST / NETS
    # A base that was delivered before: what was trained on since, where that has no best.
    anew = read_delivered(delivered).chosen_by == METRIC and latest.is_file()
    base, refined = read_checkpoint(start), read_checkpoint(latest if anew else delivered)
    machine = frozen(time_machine(refined))
    split = read_photos(Path(recipe.require("photos")), machine.psp.shape.size, Silence())
    ages = recipe.validation.at
    if not ages or not len(split.test):
        return None
    named = recipe.networks
    gain = measured(
        frozen(time_machine(base)),
        machine,
        split,
        ages,
        load_identity_network(named.identity, CPU),
        load_age_evaluator(named.age_evaluator, networks=named, device=CPU),
    )
    write_json(run / GAIN, gain.dump())
    checkpoints = Checkpoints(run / "checkpoints")
    if gain.helped and anew:
        metrics = {METRIC: gain.gained.mean}
        checkpoints.save_delivered(refined.step or 0, refined, metrics, chosen_by=METRIC)
    if not gain.helped:
        facts = {**base.facts, **{key: refined.facts[key] for key in ("task", "prior", "domain")}}
        checkpoints.save_delivered(
            0, replace(base, facts=facts), {METRIC: gain.gained.mean}, chosen_by=METRIC
        )
    return gain


@torch.inference_mode()
def measured(
    base: TimeMachine,
    refined: TimeMachine,
    split: SplitPhotos,
    ages: tuple[float, ...],
    identity: IdentityNetwork,
    evaluator: AgeEstimator | None,
) -> Gain:
    """Age every held-out photo by both models and compare with the person near the age.

    A photo is never compared with itself.
    """
    test = split.test
    near = _near(test, ages)
    apart = [row for row in range(len(test)) if {row} != {*near}]
    compared_with, album, rows = "held-out", test, near
    if not near or not apart:
        compared_with, album, rows = "training", split.train, _near(split.train, ages)
        rows, apart = rows or list(range(len(album))), list(range(len(test)))
    known = torch.cat([identity.embed(album.tensor([row])) for row in rows])
    figures: list[tuple[int, float, float]] = []
    years: list[tuple[float, float]] = []
    for row in apart:
        own = [place for place, other in enumerate(rows) if album is test and other == row]
        others = known[[place for place in range(len(rows)) if place not in own]]
        photo = test.tensor([row])
        for age in ages:
            outputs = [pooled(m, m.codes(photo, torch.tensor([age]))) for m in (base, refined)]
            before, after = (_distance(identity.embed(output), others) for output in outputs)
            figures.append((row, before, after))
            if evaluator is not None:
                off = [abs(float(evaluator.years(output)) - age) for output in outputs]
                years.append((off[0], off[1]))
    photos, base_far, far = (np.array(column) for column in zip(*figures, strict=True))
    mean_years = np.mean(years, axis=0).tolist() if years else (None, None)
    return Gain(
        photos=len(apart),
        compared_with=compared_with,
        identity_base=float(base_far.mean()),
        identity=float(far.mean()),
        gained=ratio_interval(base_far - far, base_far, groups=photos),
        age_base=mean_years[0],
        age=mean_years[1],
    )


def _near(photos: Photos, ages: tuple[float, ...]) -> list[int]:
    """Rows of the photos within three years of an age."""
    apart = np.abs(photos.ages[:, None] - np.array(ages)[None]).min(axis=1)
    return np.flatnonzero(apart <= SAME_AGE).tolist()


def _distance(output: Tensor, known: Tensor) -> float:
    return 1 - float((output @ known.T).max())
