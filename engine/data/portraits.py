"""Sets of the portrait world for training: rendered once, kept on the disk, mapped into memory."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated, ClassVar, Self

import cv2
import numpy as np
from pydantic import Field, model_validator
from torch import Tensor

from engine.core.numbers import Count, Span
from engine.core.progress import Progress, reported
from engine.core.table import Table
from engine.data.render_cache import TRUTH, cached, cached_pictures, new_pictures
from engine.images.ranges import to_tensors
from engine.runtime.pool import cores, in_processes
from engine.worlds.portraits import VERSION, Portrait, Scene, identity, render, scene
from engine.worlds.portraits.seeds import scene_seed

WORTH_PROCESSES = 400
"""Pictures from which starting other processes is worth its seconds."""


class PortraitPlan(Table):
    """Which people, photographs and ages of the portrait world make up a set."""

    drawn_world: ClassVar[tuple[str, str] | None] = "portraits", VERSION
    first: Count = Field(ge=0)
    """Identity seed of the first person."""
    people: Count = Field(ge=1)
    scenes: int = Field(default=4, ge=1, le=1000)
    """Photographs of each person."""
    ages: int = Field(default=3, ge=1)
    """Ages of each photograph: the very same scene, younger and older."""
    span: Span = Span(5, 95)
    """Ages are drawn from here, one from each of as many equal parts as a photograph has ages."""
    fixed: tuple[float, ...] | None = None
    """These ages for every photograph, in place of `ages` and `span`."""
    size: int = Field(default=128, ge=16, le=1024)
    drawn: tuple[Annotated[int, Field(ge=16, le=1024)], ...] = ()
    """Sizes in px, one of which each photograph is drawn at, then resized to `size`; none: at
    `size`. The world draws lines with whole pens, so that its detail depends on the size."""
    pose: float = Field(default=1.0, ge=0, le=2)
    """Share of the world's spread of pose."""
    unaligned: float = Field(default=0.0, ge=0, le=1)
    """0: framed as FFHQ is; 1: snapshots that have to be aligned."""
    framing_jitter: float = Field(default=1.0, ge=0, le=2)
    """Error of the framing: 1 as with a detector's landmarks, 0 exactly by the true ones."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.fixed == ():
            raise ValueError("`fixed` names no age")
        return self

    @property
    def per_scene(self) -> int:
        """Pictures of one photograph."""
        return self.ages if self.fixed is None else len(self.fixed)

    @property
    def count(self) -> int:
        """Pictures in all."""
        return self.people * self.scenes * self.per_scene

    def drawn_at(self, photo: int) -> int:
        """The size in px at which a photograph (a scene seed) is drawn."""
        if not self.drawn:
            return self.size
        return self.drawn[int(np.random.default_rng([23, photo]).integers(len(self.drawn)))]

    def ages_of(self, photo: int) -> tuple[float, ...]:
        """The ages in years at which a photograph (a scene seed) is rendered, youngest first."""
        if self.fixed is not None:
            return self.fixed
        places = np.random.default_rng([17, photo]).random(self.ages)
        width = (self.span.high - self.span.low) / self.ages
        return tuple(float(self.span.low + width * (i + p)) for i, p in enumerate(places))


class PortraitData(Table):
    """The sets of a training: no person should be in both."""

    train: PortraitPlan
    validation: PortraitPlan


@dataclass(frozen=True, slots=True, eq=False)
class PortraitSet:
    """The pictures of a plan with their truth: person by person, scene by scene, age by age.

    pictures: uint8 RGB (n, size, size, 3), mapped from the disk; landmarks: float32 (n, 68, 2) in
    pixels; ages: float32 (n,) in years; people, scenes: int64 (n,), the seeds.
    """

    plan: PortraitPlan
    pictures: np.ndarray
    landmarks: np.ndarray
    ages: np.ndarray
    people: np.ndarray
    scenes: np.ndarray

    def __len__(self) -> int:
        return len(self.pictures)

    def tensor(self, indices: Sequence[int] | Tensor) -> Tensor:
        """Pictures as float32 RGB (b, 3, size, size) in [-1, 1]."""
        rows = indices.tolist() if isinstance(indices, Tensor) else list(indices)
        return to_tensors(self.pictures[rows])


def rendered(plan: PortraitPlan, progress: Progress, *, workers: int | None = None) -> PortraitSet:
    """The set of a plan: from the cache folder, or rendered into it now."""
    settings = {"version": VERSION, **plan.model_dump(mode="json")}
    if not plan.drawn:  # as sets were named before this key: they are the same pictures
        del settings["drawn"]
    fill = partial(_render_into, plan=plan, progress=progress, workers=workers)
    folder = cached("portraits", settings, fill)
    with np.load(folder / TRUTH) as truth:
        return PortraitSet(plan, cached_pictures(folder), **truth)


def _render_into(folder: Path, plan: PortraitPlan, progress: Progress, workers: int | None) -> None:
    pictures = new_pictures(folder, plan.count, plan.size)
    landmarks = np.empty((plan.count, 68, 2), np.float32)
    each = plan.scenes * plan.per_scene
    if workers is None:
        workers = cores() if plan.count >= WORTH_PROCESSES else 1
    with reported(progress, "Rendering people", plan.people):
        for outcome in in_processes(
            partial(_render_person, plan=plan), range(plan.people), workers=workers
        ):
            if outcome.result is None:
                raise MemoryError("a process that rendered portraits died")
            rows = slice(outcome.item * each, (outcome.item + 1) * each)
            pictures[rows], landmarks[rows] = outcome.result
            progress.advance()
    pictures.flush()
    photos = [
        scene_seed(plan.first + person, photo)
        for person in range(plan.people)
        for photo in range(plan.scenes)
    ]
    np.savez(
        folder / TRUTH,
        landmarks=landmarks,
        ages=np.asarray([plan.ages_of(photo) for photo in photos], np.float32).ravel(),
        people=np.repeat(np.arange(plan.first, plan.first + plan.people), each),
        scenes=np.repeat(np.asarray(photos, np.int64), plan.per_scene),
    )


def view_of(plan: PortraitPlan, photo: int) -> Scene:
    """The scene of a photograph, its framing off by the error of a detector's landmarks.

    Measured with dlib on 90 renders: side of the square -2 +- 6.6 %, centre 0.6 % of the side,
    angle 0.7 degrees.
    """
    view = scene(photo, pose=plan.pose, unaligned=plan.unaligned)
    if not plan.framing_jitter:
        return view
    side, across, down, angle = np.random.default_rng([19, photo]).standard_normal(4).clip(-2, 2)
    return replace(
        view,
        zoom=view.zoom / (1 + plan.framing_jitter * float(-0.02 + 0.066 * side)),
        shift_x=view.shift_x + plan.framing_jitter * float(0.005 * across),
        shift_y=view.shift_y + plan.framing_jitter * float(0.006 * down),
        roll=view.roll + plan.framing_jitter * float(0.7 * angle),
    )


def _render_person(index: int, *, plan: PortraitPlan) -> tuple[np.ndarray, np.ndarray]:
    """All pictures (n, size, size, 3) and landmarks (n, 68, 2) of the plan's person `index`."""
    seed = plan.first + index
    person = identity(seed)
    views = [scene_seed(seed, photo) for photo in range(plan.scenes)]
    portraits = [
        _sized(render(person, age, view_of(plan, view), plan.drawn_at(view)), plan.size)
        for view in views
        for age in plan.ages_of(view)
    ]
    pictures = np.stack([portrait.picture for portrait in portraits])
    return pictures, np.stack([portrait.landmarks for portrait in portraits])


def _sized(portrait: Portrait, size: int) -> Portrait:
    """A portrait of any size at `size` px, areas averaged where it shrinks."""
    drawn = portrait.picture.shape[0]
    if drawn == size:
        return portrait
    way = cv2.INTER_AREA if drawn > size else cv2.INTER_CUBIC
    picture = np.asarray(cv2.resize(portrait.picture, (size, size), interpolation=way))
    landmarks = (portrait.landmarks + 0.5) * (size / drawn) - 0.5
    return replace(portrait, picture=picture, landmarks=landmarks.astype(np.float32))
