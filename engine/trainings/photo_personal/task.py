"""Fit one person's departure from the prior: once without held-out photographs, once with all."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from engine.core.errors import InputError, UsageError
from engine.core.progress import Progress, Silence
from engine.faces.descriptor import describe_face
from engine.faces.detect import Face
from engine.faces.outliers import find_impostors
from engine.losses.terms import Term
from engine.metrics.bootstrap import ratio_interval
from engine.photo.features import FaceFeatures
from engine.photo.model import PhotoModel
from engine.photo.personal import (
    FEWEST,
    PARTS,
    PERSONAL_SHAPES,
    Deviation,
    PersonalFit,
    PersonalModel,
    fit_person,
    personal_checkpoint,
    prediction_errors,
    with_deviation,
)
from engine.photo.personal import load_model as load_photo_model
from engine.training.task import Batch, Best, Nets, StepContext, Task
from engine.trainings.closed_form import ModelArrays, reported_terms
from engine.trainings.photo_prior.faces import DatedFace, DatedFaces
from engine.trainings.photo_prior.measuring import (
    FAULTS,
    Arrays,
    FoundFace,
    Job,
    fault_record,
    find_faces,
    measure_faces,
    measured,
    read_pixels,
    record_of,
)
from engine.trainings.photo_prior.settings import MeasuringSettings

PHASES = ("fit", "everyone")
PERSON, HELD_OUT = "photo", "held_out"
LEAST_PHOTOS = 5
"""Usable photographs that a training needs."""
LEAST_SPAN = 5.0
"""Years between the photographs under which ageing hardly shows in them."""
DOUBTED = 0.25
"""Weight under which a photograph is named: the others contradict it."""
COMMAND = "tm train --recipe photo/personal"
"""What the card says in place of the command, whose folders may name the person."""


class OwnPhoto(NamedTuple):
    """A photograph of the person, and what is measured of it."""

    dated: DatedFace
    found: FoundFace
    features: FaceFeatures
    held_out: bool


class LeftOut(NamedTuple):
    """A model that was fitted without some of the photographs, and both sides of them."""

    model: PersonalModel
    known: Sequence[OwnPhoto]
    unseen: Sequence[OwnPhoto]


class PersonTask(Task):
    """`photo` is delivered; `held_out`, which did not see the held-out photos, is validated."""

    def __init__(
        self, listed: Callable[[], DatedFaces], prior: Path, settings: MeasuringSettings
    ) -> None:
        """listed: lists the photographs; prior: the file of the prior, which stays as it is."""
        self.listed, self.settings = listed, settings
        self.prior = load_photo_model(prior)
        self.parts = parts_of_person()
        self.frozen = {}
        self.optimizer_steps = {"solve": (PERSON, HELD_OUT)}
        self.best = Best(metric="photos", goal="max")
        self.photos: list[OwnPhoto] = []
        self.identity: NDArray[np.float32] | None = None
        self.progress: Progress = Silence()

    def prepare(self, progress: Progress) -> None:
        """Find, check and measure every photograph; InputError where too few are left."""
        self.progress = progress
        listed = self.listed()
        for remark in listed.remarks:
            progress.remark(remark)
        workers = self.settings.processes
        paths = [face.path for face in listed.faces]
        faces = find_faces(paths, self.settings.limits, progress, workers=workers)
        found = [(d, f) for d, f in zip(listed.faces, faces, strict=True) if f is not None]
        own = self._of_the_person(found, progress, workers)
        features = measure_faces(
            [one.path for one, _ in own],
            [face for _, face in own],
            self.prior.mean_points,
            progress,
            workers=workers,
            masks=self.settings.person_masks,
        )
        usable = [(*one, f) for one, f in zip(own, features, strict=True) if f is not None]
        if len(usable) < LEAST_PHOTOS:
            raise InputError(
                f"{len(usable)} usable photographs are left: at least {LEAST_PHOTOS} are needed",
                hint="give more dated photographs of the person",
            )
        ages = [one.age for one, _, _ in usable]
        held_out = _spread(ages, round(self.settings.validation * len(ages)))
        self.photos = [OwnPhoto(*one, row in held_out) for row, one in enumerate(usable)]
        if max(ages) - min(ages) < LEAST_SPAN:
            progress.remark(
                f"the photographs span {max(ages) - min(ages):g} years: little ageing shows in them"
            )

    def _of_the_person(
        self, found: Sequence[tuple[DatedFace, FoundFace]], progress: Progress, workers: int
    ) -> list[tuple[DatedFace, FoundFace]]:
        """The photographs without those that show somebody else, which are named."""
        jobs = [Job(one.path, record_of("descriptor", one.path, {}), face) for one, face in found]
        records = measured(jobs, _describe, "Comparing faces", progress, workers)
        known = [row for row, record in enumerate(records) if "reason" not in record]
        if not known:
            return []
        vectors = np.stack([records[row]["descriptor"] for row in known]).astype(np.float32)
        impostors = find_impostors(vectors)
        kept: list[tuple[DatedFace, FoundFace]] = []
        for row, distance, strange in zip(known, impostors.distances, impostors.flags, strict=True):
            if not strange:
                kept.append(found[row])
                continue
            progress.remark(
                f"`{found[row][0].path.name}` seems to show somebody else (dlib distance "
                f"{distance:.2f}, limit {impostors.limit:.2f}): left out"
            )
        self.identity = vectors[~impostors.flags].mean(axis=0)
        return kept

    def batch(self, context: StepContext, batch: int) -> Batch:
        """Nothing: every step sees all photographs."""
        return {}

    def terms(self, optimizer_step: str, batch: Batch, context: StepContext) -> dict[str, Term]:
        """Solve, and set the parts; the terms are the chances that each deviation is real."""
        everyone = context.objective == "everyone"
        chosen = [photo for photo in self.photos if everyone or not photo.held_out]
        fit = self._fitted(chosen)
        names = (PERSON,) if everyone else (PERSON, HELD_OUT)
        for name in names:
            part = self.parts[name]
            assert isinstance(part, ModelArrays)
            part.set_to(fit.deviation)
        if everyone:
            self._name_doubted(chosen, fit)
        return reported_terms({f"{part}_chance": chance for part, chance in fit.hold.items()})

    def _fitted(self, photos: Sequence[OwnPhoto]) -> PersonalFit:
        ages, errors = (
            np.array([getattr(photo.dated, key) for photo in photos]) for key in ("age", "error")
        )
        features = [photo.features for photo in photos]
        return fit_person(features, ages, errors, self.prior, self.identity)

    def _name_doubted(self, photos: Sequence[OwnPhoto], fit: PersonalFit) -> None:
        for photo, weight in zip(photos, fit.photos, strict=True):
            if weight < DOUBTED:
                self.progress.remark(
                    f"`{photo.dated.path.name}` fits the others badly and counts for "
                    f"{weight:.0%}: is {photo.dated.age:g} the right age?"
                )

    def validate(self, nets: Nets, device: torch.device) -> dict[str, float]:
        """Errors on held-out photographs in shares of those of the prior, 95 % over photographs."""
        known = [photo for photo in self.photos if not photo.held_out]
        unseen = [photo for photo in self.photos if photo.held_out]
        figures = {"photos": float(len(self.photos)), "held_out": float(len(unseen))}
        models: dict[str, PhotoModel | None] = {
            "person": with_deviation(self.prior, _deviation(nets[HELD_OUT])),
            "prior": self.prior,
            "nothing": None,
        }
        sides = [
            ([photo.features for photo in side], np.array([photo.dated.age for photo in side]))
            for side in (known, unseen)
        ]
        for part in PARTS:
            errors = {
                name: prediction_errors(part, *sides[0], *sides[1], model, self.prior)
                for name, model in models.items()
            }
            figures |= _shares(part, errors)
        return figures

    def without(self, count: int | None = None) -> LeftOut:
        """Train again without `count` photographs, those held out if None; to be prepared before.

        UsageError unless 2 photographs are left out and LEAST_PHOTOS are not.
        """
        photos = self.photos
        if count is not None:
            chosen = _spread([photo.dated.age for photo in photos], count)
            photos = [photo._replace(held_out=row in chosen) for row, photo in enumerate(photos)]
        known = [photo for photo in photos if not photo.held_out]
        unseen = [photo for photo in photos if photo.held_out]
        if len(unseen) < 2 or len(unseen) != (count or len(unseen)) or len(known) < LEAST_PHOTOS:
            most = len(photos) - LEAST_PHOTOS
            raise UsageError(
                f"{len(unseen) if count is None else count} of {len(photos)} photographs cannot "
                "be left out",
                hint=f"`--leave-out` takes 2 to {most}" if most >= 2 else "give more photographs",
            )
        return LeftOut(with_deviation(self.prior, self._fitted(known).deviation), known, unseen)

    def checkpoint(self, nets: Nets) -> Any:
        """The prior and the person; no photograph, path or name."""
        ages = [photo.dated.age for photo in self.photos]
        model = with_deviation(self.prior, _deviation(nets[PERSON]))
        card = {
            "photos": len(self.photos),
            "ages": [min(ages), max(ages)],
            "held_out_for_figures": sum(photo.held_out for photo in self.photos),
            "command": COMMAND,
        }
        return personal_checkpoint(model, card)


def parts_of_person() -> dict[str, nn.Module]:
    """The delivered deviation and the one that is validated, none at first."""
    return {PERSON: ModelArrays(PERSONAL_SHAPES), HELD_OUT: ModelArrays(PERSONAL_SHAPES)}


def _deviation(net: nn.Module) -> Deviation:
    assert isinstance(net, ModelArrays)
    return Deviation(**net.arrays())


def _describe(job: Job) -> Arrays:
    assert job.face is not None
    landmarks, box, yaw = job.face
    face = Face(box, 0.0, landmarks, "kept", 0, False, yaw)
    try:
        return {"descriptor": describe_face(read_pixels(job.path), face)}
    except FAULTS as error:
        return fault_record(error)


def _spread(ages: Sequence[float], count: int) -> set[int]:
    """Rows of so many held-out photographs, evenly over the ages and within them."""
    order = sorted(range(len(ages)), key=lambda row: (ages[row], row))
    count = min(count, len(ages) - FEWEST)
    if count < 1:
        return set()
    return {order[round(place)] for place in np.linspace(1, len(ages) - 2, count)}


def _shares(part: str, errors: dict[str, NDArray[np.float64]]) -> dict[str, float]:
    """The person's error and that of doing nothing in shares of the prior's, by photograph."""
    prior, photos = errors["prior"], np.arange(len(errors["prior"]))
    names = [f"{part}/{name}" for name in ("over_prior", "low", "high", "nothing_over_prior")]
    if len(prior) < 2 or not prior.sum() > 0:
        return dict.fromkeys(names, float("nan"))
    interval = ratio_interval(errors["person"], prior, groups=photos)
    nothing = float(errors["nothing"].sum() / prior.sum())
    return dict(zip(names, (*interval, nothing), strict=True))
