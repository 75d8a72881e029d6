"""A person's photographs that the fit did not see, aged to each other's ages.

The training of a run of `photo_personal` is repeated without some of its photographs: the others
show at each age what the person then looked like.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from engine.config.load import load_recipe, load_recipe_as
from engine.core.digest import file_sha256
from engine.core.errors import InputError, UsageError
from engine.core.progress import Progress, reported
from engine.data.faces import FaceSource
from engine.faces.rotation import Pixels
from engine.geometry.ffhq import Quad, quad_of
from engine.inference.subject import Subject
from engine.photo.ageing import age_subject
from engine.photo.features import FaceFeatures, features_of, view_of
from engine.photo.frame import Floats
from engine.photo.model import PhotoModel
from engine.photo.subject import prepare_subject
from engine.scoring.looks import Looks, looks_report
from engine.scoring.material import (
    COPIED,
    LARGEST,
    NOTHING,
    Material,
    Method,
    PersonPhotos,
    Source,
    Task,
)
from engine.training.run_folder import RECIPE
from engine.trainings.photo_personal.recipe import PhotoPersonalRecipe
from engine.trainings.photo_personal.task import LeftOut, OwnPhoto
from engine.trainings.photo_prior.measuring import FAULTS, mask_of, read_pixels

PRIOR = "prior"
MOST_SOURCES = 4
"""Photographs that are aged to one age."""


@dataclass(frozen=True, slots=True, eq=False)
class LeftOutPhotos:
    """The material, and what the report says of the looks and of what was left out."""

    material: Material
    facts: Mapping[str, Any]


class _Shot(NamedTuple):
    """A left-out photograph: its whole picture, the face in it, and where the person is."""

    own: OwnPhoto
    subject: Subject
    side: int
    mask: Floats | None

    def face(self, picture: Pixels) -> Pixels:
        """The aligned face in this picture, or in one that was made of it."""
        return replace(self.subject, photo=picture).face(self.side)


def is_own_person(run: Path) -> bool:
    """Whether a run is of kind `photo_personal`."""
    return isinstance(load_recipe(run / RECIPE), PhotoPersonalRecipe)


def age_left_out(run: Path, name: str, count: int | None, progress: Progress) -> LeftOutPhotos:
    """Fit without `count` photographs, and age each of them to the ages of the others.

    count: None leaves out those that the training held out. The methods are `name`, the person's
    own ageing, and `prior`. UsageError or InputError where this cannot be done.
    """
    if name in (PRIOR, NOTHING, COPIED):
        raise UsageError(f"a run named `{name}` would pass for a control", hint="rename its folder")
    recipe = load_recipe_as(PhotoPersonalRecipe, run / RECIPE)
    photos = Path(recipe.require("photos"))
    if not photos.is_dir():
        raise InputError(
            f"`{photos}`, which `{run}` was trained on, is no folder",
            hint="put the photos back, or call from the folder that the training was started in",
        )
    training = recipe.task()
    training.prepare(progress)
    fit = training.without(count)
    shots = [_shot(photo, masks=recipe.person_masks) for photo in fit.unseen]
    models: dict[str, PhotoModel] = {name: fit.model, PRIOR: training.prior}
    pairs = _pairs(shots)
    portraits: dict[str, dict[Task, Pixels]] = {method: {} for method in models}
    looks = Looks(name)
    known_ages = np.array([photo.dated.age for photo in fit.known])
    with reported(progress, "Ageing", len(pairs) * len(models)):
        for method, model in models.items():
            for shot, truths in pairs:
                prepared = prepare_subject(
                    shot.subject.photo, shot.own.found.landmarks, model, person=shot.mask
                )
                for truth in truths:
                    task = _task(shot, truth)
                    picture = age_subject(prepared, shot.own.dated.age, task.target)
                    portraits[method][task] = shot.face(picture)
                    made = _measured(shot, picture, training.prior.mean_points)
                    looks.add(method, task, made, truth.own.features)
                progress.advance(shot.subject.path.name)
    for shot, truths in pairs:
        for truth in truths:
            task = _task(shot, truth)
            nearest = fit.known[int(np.abs(known_ages - task.target).argmin())]
            looks.add(COPIED, task, nearest.features, truth.own.features)
            looks.add(NOTHING, task, shot.own.features, truth.own.features)
    material = Material(
        name,
        {shot.subject.sha256: _source(shot) for shot, _ in pairs},
        [Method(method, own) for method, own in portraits.items()],
        truth={
            _task(shot, truth): truth.face(truth.subject.photo)
            for shot, truths in pairs
            for truth in truths
        },
        photos=_known(fit),
    )
    facts = {
        "left_out": {
            "photographs": len(fit.unseen),
            "of": len(fit.unseen) + len(fit.known),
            "ages": sorted(photo.dated.age for photo in fit.unseen),
        },
        "looks": looks_report(looks),
    }
    return LeftOutPhotos(material, facts)


def _shot(photo: OwnPhoto, *, masks: bool) -> _Shot:
    pixels = read_pixels(photo.dated.path)
    quad = quad_of(photo.found.landmarks)
    subject = Subject(photo.dated.path, file_sha256(photo.dated.path), pixels, quad)
    mask = mask_of(pixels, photo.found.box) if masks else None
    return _Shot(photo, subject, min(max(round(quad.side), 1), LARGEST), mask)


def _pairs(shots: Sequence[_Shot]) -> list[tuple[_Shot, list[_Shot]]]:
    """Every photograph with those whose age it is shown at: for each of these MOST_SOURCES."""
    order = sorted(shots, key=lambda shot: shot.own.dated.age)
    # Of two photographs of one age the first is the truth.
    truths = list({shot.own.dated.age: shot for shot in reversed(order)}.values())[::-1]
    chosen: dict[str, list[_Shot]] = {shot.subject.sha256: [] for shot in order}
    for truth in truths:
        others = [shot for shot in order if shot.own.dated.age != truth.own.dated.age]
        places = np.linspace(0, len(others) - 1, min(MOST_SOURCES, len(others))).tolist()
        for place in places:
            chosen[others[round(place)].subject.sha256].append(truth)
    pairs = [(shot, chosen[shot.subject.sha256]) for shot in order]
    pairs = [(shot, aged) for shot, aged in pairs if aged]
    if not pairs:
        raise UsageError(
            "all photographs that were left out are of one age", hint="leave more of them out"
        )
    return pairs


def _task(shot: _Shot, truth: _Shot) -> Task:
    return Task(shot.subject.sha256, float(truth.own.dated.age))


def _measured(shot: _Shot, picture: Pixels, mean_points: Floats) -> FaceFeatures | None:
    """The features of a picture that was made of a photograph; None where it has none."""
    try:
        points = FaceSource().points(picture, shot.own.found.box)
        return features_of(view_of(picture, points, mean_points, shot.mask), mean_points)
    except FAULTS:
        return None


def _source(shot: _Shot) -> Source:
    # The face is kept without its photograph.
    face = shot.face(shot.subject.photo)
    subject = replace(shot.subject, photo=face, quad=Quad.frame(*face.shape[:2]))
    return Source(subject, float(shot.own.dated.age))


def _known(fit: LeftOut) -> PersonPhotos:
    """The photographs that the model was fitted on."""
    photos = sorted(fit.known, key=lambda photo: photo.dated.age)
    shots = [_shot(photo, masks=False) for photo in photos]
    return PersonPhotos(
        pictures=[shot.face(shot.subject.photo) for shot in shots],
        ages=np.array([photo.dated.age for photo in photos], np.float64),
        names=[photo.dated.path.name for photo in photos],
        digests=[shot.subject.sha256 for shot in shots],
        train=np.ones(len(shots), np.bool_),
    )
