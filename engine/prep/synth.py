"""Procedural portraits with their truth: people, ages, photos of each."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from engine.core.digest import file_sha256, settings_digest
from engine.core.errors import UsageError
from engine.core.lock import locked
from engine.core.numbers import Span, parse_number
from engine.core.progress import Progress
from engine.data.manifest import Row, ledger_of
from engine.images.saving import save_png
from engine.prep.rendering import render_missing, require_own_pictures, require_reasonable
from engine.worlds.portraits import VERSION, identity, render, scene
from engine.worlds.portraits.seeds import SHARED_PHOTO, scene_seed

OLDEST_RENDERED = 100
GOLDEN = 0.6180339887498949
"""Multiples of it, without their whole part, are spread evenly however many there are."""
SMALLEST, LARGEST = 16, 2048


@dataclass(frozen=True, slots=True)
class SynthPlan:
    """The pictures to render."""

    out: Path
    people: int
    per_person: int
    ages: Span = Span(5, 95)
    size: int = 256
    seed: int = 0
    unaligned: float = 0.0
    """0: framed like aligned faces; 1: snapshots that have to be aligned."""
    same_scene: bool = False
    """All pictures of a person are one photograph at several ages, in no other plan."""
    staggered: bool = False
    """Everybody's ages lie between those of the others, so that many people cover every age."""
    step: float = 0.0
    """Years from one age to the next one that may be drawn, from the lowest on; 0: any."""

    def __post_init__(self) -> None:
        require_reasonable(self.people, self.per_person)
        if not 0 <= self.ages.low <= self.ages.high <= OLDEST_RENDERED:
            raise UsageError(f"the ages {self.ages} are outside 0..{OLDEST_RENDERED}")
        if not SMALLEST <= self.size <= LARGEST:
            raise UsageError(f"the size {self.size} is outside {SMALLEST}..{LARGEST} pixels")
        if not 0 <= self.unaligned <= 1:
            raise UsageError(f"`unaligned` is {self.unaligned:g}, outside 0..1")
        if self.seed < 0:
            raise UsageError(f"the seed {self.seed} is negative")

    @property
    def settings(self) -> str:
        """Changes whenever a rerun would give other pictures of the same names."""
        settings = {"version": VERSION, "size": self.size, "unaligned": self.unaligned}
        return settings_digest(settings | ({"same_scene": SHARED_PHOTO} if self.same_scene else {}))


@dataclass(frozen=True, slots=True)
class PortraitJob:
    """One picture to render: person, age, scene, and its path in the folder."""

    person: int
    age: int
    index: int
    output: str


def plan_portraits(plan: SynthPlan) -> Iterator[PortraitJob]:
    """The pictures of a plan: each person's ages are spread evenly over the range."""
    for person in range(plan.seed, plan.seed + plan.people):
        for index in range(plan.per_person):
            share = index / (plan.per_person - 1) if plan.per_person > 1 else 0.5
            years = plan.ages.high - plan.ages.low
            if plan.staggered:
                share = (index + (person - plan.seed) * GOLDEN % 1) / plan.per_person
            years = plan.step * round(share * (years // plan.step)) if plan.step else share * years
            age = round(plan.ages.low + years)
            yield PortraitJob(person, age, index, f"{person:06d}/{age}_{index}.png")


def synthesise(plan: SynthPlan, *, workers: int, progress: Progress) -> tuple[int, int]:
    """Render the missing pictures; returns how many are new, and how many were there already."""
    portraits = list(plan_portraits(plan))
    with locked(plan.out, guarded=True) as held, ledger_of(plan.out) as ledger:
        require_own_pictures(plan.out, held)
        work = partial(render_portrait, plan=plan)
        return render_missing(portraits, plan, work, ledger, workers=workers, progress=progress)


def render_portrait(job: PortraitJob, *, plan: SynthPlan) -> Row:
    """Render and save one picture with its truth."""
    view_seed = scene_seed(job.person, SHARED_PHOTO if plan.same_scene else job.index)
    view = scene(view_seed, unaligned=plan.unaligned)
    portrait = render(identity(job.person), job.age, view, plan.size)
    truth = {
        **portrait.truth,
        "person": job.person,
        "scene": view_seed,
        "unaligned": plan.unaligned,
    }
    path = plan.out / job.output
    made = {"made": "rendered", "synthetic": True, "world": f"portraits {VERSION}", "truth": truth}
    save_png(path, portrait.picture, made)
    return Row(
        output=job.output,
        sha256=file_sha256(path),
        age=job.age,
        age_by="truth",
        landmarks=tuple((round(float(x), 2), round(float(y), 2)) for x, y in portrait.landmarks),
        settings=plan.settings,
        person=str(job.person),
        truth=truth,
    )


def parse_ages(text: str) -> tuple[Span, float]:
    """A range of ages in years such as `20..50`, or one age, and the step of `20..50..10`, else 0.

    UsageError for anything else.
    """
    low, *rest = text.split("..", 2)
    try:
        step = parse_number(rest[1]) if len(rest) > 1 else 0.0
        span = Span.parse(f"{low}..{rest[0] if rest else low}")
    except ValueError as error:
        raise UsageError(str(error)) from None
    if step < 0 or (len(rest) > 1 and not step):
        raise UsageError(f"the step {step:g} of `{text}` leads nowhere")
    return span, step
