"""Rendered landscapes of known valence and arousal."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from engine.core.atomic import write_text
from engine.core.digest import file_sha256, settings_digest
from engine.core.errors import UsageError
from engine.core.lock import locked
from engine.core.progress import Progress
from engine.data.csv_table import csv_text
from engine.data.manifest import Row, ledger_of
from engine.images.saving import save_png
from engine.prep.rendering import render_missing, require_own_pictures, require_reasonable
from engine.worlds.landscapes import VERSION, render, scene_va

SMALLEST, LARGEST = 16, 1024
RATINGS = "valence_arousal.csv"
"""The ground truth as a table of ratings on the scale 0..1."""


@dataclass(frozen=True, slots=True)
class LandscapePlan:
    """The settings of a folder of rendered landscapes."""

    out: Path
    scenes: int
    per_scene: int = 1
    """Pictures of each scene, each of other valence and arousal."""
    size: int = 128
    seed: int = 0

    def __post_init__(self) -> None:
        require_reasonable(self.scenes, self.per_scene)
        if not SMALLEST <= self.size <= LARGEST:
            raise UsageError(f"the size {self.size} is outside {SMALLEST}..{LARGEST} pixels")
        if self.seed < 0:
            raise UsageError(f"the seed {self.seed} is negative")

    @property
    def settings(self) -> str:
        """Digest of the settings that decide the content of a picture."""
        return settings_digest({"world": "landscapes", "version": VERSION, "size": self.size})


@dataclass(frozen=True, slots=True)
class View:
    """One picture to render: seed of its scene, valence, arousal and file name."""

    seed: int
    valence: float
    arousal: float
    output: str


def plan_views(plan: LandscapePlan) -> Iterator[View]:
    """The pictures of a plan: the first of a scene at the scene's own valence and arousal, the rest
    at random ones."""
    for seed in range(plan.seed, plan.seed + plan.scenes):
        random = np.random.default_rng([79, seed])
        for index in range(plan.per_scene):
            va = scene_va(seed) if index == 0 else random.random(2).tolist()
            valence, arousal = (round(value, 4) for value in va)
            yield View(seed, valence, arousal, f"{seed:06d}_{index}.png")


def synthesise_landscapes(
    plan: LandscapePlan, *, workers: int, progress: Progress
) -> tuple[int, int]:
    """Render the missing pictures of a plan; returns how many are new and how many were kept.

    The ground truth goes into the manifest, and into a table of ratings that trainings read.
    """
    views = list(plan_views(plan))
    with locked(plan.out, guarded=True) as held, ledger_of(plan.out) as ledger:
        if held.is_new and ledger.rows:
            held.adopt([RATINGS])
        require_own_pictures(plan.out, held, RATINGS)
        work = partial(render_view, plan=plan)
        counts = render_missing(views, plan, work, ledger, workers=workers, progress=progress)
        rows = [(view.output, view.valence, view.arousal) for view in views]
        write_text(plan.out / RATINGS, csv_text([("image", "valence", "arousal"), *rows]))
    return counts


def render_view(view: View, *, plan: LandscapePlan) -> Row:
    """Render and save one picture with its ground truth."""
    shot = render(view.valence, view.arousal, view.seed, plan.size)
    path = plan.out / view.output
    made = {"made": "rendered", "synthetic": True, "world": f"landscapes {VERSION}"}
    save_png(path, shot.picture, made | {"truth": shot.truth})
    return Row(
        output=view.output, sha256=file_sha256(path), settings=plan.settings, truth=shot.truth
    )
