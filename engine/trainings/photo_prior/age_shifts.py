"""How far faces that the model ages look older or younger to age networks, against what was asked.

Each network's shift is given in shares of its own slope on true ages: one that sees .7 of a true
difference cannot be asked to see more of a made one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field

from engine.core.progress import Progress, reported
from engine.core.table import Table
from engine.experts.base import EXPERTS, Expert, ExpertTable, Faces
from engine.photo.ageing import age_subject
from engine.photo.fit import calibrated_ages
from engine.photo.frame import Floats, Pixels
from engine.photo.gains import calibrate_gains
from engine.photo.model import PhotoModel
from engine.photo.subject import PhotoSubject, prepare_subject
from engine.trainings.photo_prior.measuring import (
    FAULTS,
    Arrays,
    FoundFace,
    Job,
    fault_record,
    mask_of,
    measured,
    read_pixels,
    record_of,
)

Doubles = NDArray[np.float64]
LEAST_STEP = 5.0
"""Years between source and target ages under which a shift is not asked for."""
SMALLEST_SLOPE = 0.1
"""Slope on true ages under which a network cannot be used: it does not see age in these faces."""


class Targets(Table):
    """Which faces are aged to measure by, and to what ages."""

    people: int = Field(default=60, ge=2)
    ages: tuple[float, ...] = (35.0, 50.0, 65.0, 80.0)


class GainTable(Targets):
    """Factors on the fitted change, which the fit alone makes too small: averages over people blur
    what is sharp in each. Calibrated where the network of `networks.age` is here; otherwise they
    are those of the model in the package."""

    uniform: float | None = Field(default=None, gt=0, le=10)
    """The same factor for every part, in place of all that."""


@dataclass(frozen=True, slots=True, eq=False)
class AgedFace:
    """A face to be aged, its age in the picture, and the person."""

    face: FoundFace
    age: float
    person: str
    subject: PhotoSubject


@dataclass(frozen=True, slots=True, eq=False)
class Shifts:
    """Asked and observed changes of age in years, (n,) each, and the person of each."""

    asked: Doubles
    observed: Doubles
    people: NDArray[np.str_]

    def share(self, slope: float, *, older: bool | None = None) -> float:
        """The observed change in shares of the asked one times a slope; NaN without any.

        older: only of changes towards older, or towards younger.
        """
        rows = np.ones(len(self.asked), bool) if older is None else (self.asked > 0) == older
        asked, observed = self.asked[rows], self.observed[rows]
        return float((asked * observed).sum() / (asked**2).sum() / slope) if rows.any() else np.nan


class Estimator:
    """An age network by its name, as `tm relabel` has it, on whole pictures."""

    def __init__(self, name: str, expert: Expert) -> None:
        self.name, self.expert = name, expert

    @torch.inference_mode()
    def years(self, pixels: Pixels, landmarks: Floats) -> float:
        """The age of the face with landmarks (68, 2) in a picture (h, w, 3)."""
        return float(self.expert.predict(Faces([pixels], landmarks=[landmarks])).years[0])

    def of_pictures(
        self, paths: Sequence[Path], faces: Sequence[FoundFace], progress: Progress
    ) -> Doubles:
        """The ages (n,) of the faces of pictures, kept on the disk; NaN for unreadable ones."""
        settings = {"network": self.name, "digest": self.expert.digest}
        jobs = [
            Job(path, record_of("age", path, settings), face)
            for path, face in zip(paths, faces, strict=True)
        ]
        records = measured(jobs, self._record, f"Ages by {self.name}", progress, workers=1)
        return np.array([float(record.get("years", np.nan)) for record in records])

    def _record(self, job: Job) -> Arrays:
        assert job.face is not None
        try:
            return {"years": np.array(self.years(read_pixels(job.path), job.face.landmarks))}
        except FAULTS as error:
            return fault_record(error)


def load_estimator(name: str) -> Estimator:
    """An estimator on the processor; MissingWeightsError says how to get one that is not here."""
    return Estimator(name, expert_table(name).load(torch.device("cpu")))


def expert_table(name: str) -> ExpertTable:
    """The settings that an expert has by default."""
    return EXPERTS[name].model_validate({"kind": name})


def slope_on_truth(years: Doubles, ages: Doubles, errors: Doubles) -> float:
    """The slope of estimates (n,) on true ages (n,) whose labels have errors (n,); NaN if useless.

    Labels that err flatten it; the expected true ages do not.
    """
    known = np.isfinite(years)
    if known.sum() < 2 or np.ptp(ages[known]) < LEAST_STEP:
        return float("nan")
    slope = float(np.polyfit(calibrated_ages(ages[known], errors[known]), years[known], 1)[0])
    return slope if slope >= SMALLEST_SLOPE else float("nan")


def prepared(
    faces: Sequence[tuple[Path, FoundFace, float, str]],
    model: PhotoModel,
    progress: Progress,
    *,
    masks: bool,
) -> list[AgedFace]:
    """Faces (path, face, age, person) ready to be aged; unreadable ones are left out."""
    result: list[AgedFace] = []
    with reported(progress, "Preparing faces", len(faces)):
        for path, face, age, person in faces:
            try:
                pixels = read_pixels(path)
                mask = mask_of(pixels, face.box) if masks else None
                subject = prepare_subject(pixels, face.landmarks, model, person=mask)
                result.append(AgedFace(face, age, person, subject))
            except FAULTS as error:
                progress.remark(f"`{path.name}` {fault_record(error)['reason']}: left out")
            progress.advance(path.name)
    return result


def shifts(
    faces: Sequence[AgedFace],
    model: PhotoModel,
    estimators: Sequence[Estimator],
    ages: Sequence[float],
    progress: Progress,
) -> dict[str, Shifts]:
    """Age every face to the target ages and observe each by every estimator, by its name."""
    asked: list[float] = []
    people: list[str] = []
    observed: dict[str, list[float]] = {one.name: [] for one in estimators}
    with reported(progress, "Ageing faces", len(faces)):
        for one in faces:
            subject, points = replace(one.subject, model=model), one.face.landmarks
            before = {e.name: e.years(subject.pixels, points) for e in estimators}
            for goal in ages:
                if abs(goal - one.age) < LEAST_STEP:
                    continue
                made = age_subject(subject, one.age, goal)
                asked.append(goal - one.age)
                people.append(one.person)
                for e in estimators:
                    observed[e.name].append(e.years(made, points) - before[e.name])
            progress.advance()
    return {
        name: Shifts(np.array(asked), np.array(values), np.array(people))
        for name, values in observed.items()
    }


def calibrate(
    faces: Sequence[AgedFace],
    model: PhotoModel,
    estimator: Estimator,
    own: Doubles,
    table: GainTable,
    progress: Progress,
) -> tuple[PhotoModel, dict[str, float]]:
    """The model with gains at which the estimator sees what was asked, and the share it then sees.

    own: (2,) the estimator's slope on true ages, for appearance codes below and above 0. ValueError
    as of `calibrate_gains`.
    """
    subjects, ages = [face.subject for face in faces], np.array([face.age for face in faces])
    calibrated = calibrate_gains(
        model, subjects, ages, estimator.years, targets=table.ages, own=own
    )
    seen = shifts(faces, calibrated, [estimator], table.ages, progress)[estimator.name]
    slope = float(own.mean())
    return calibrated, {
        "older": seen.share(slope, older=True),
        "younger": seen.share(slope, older=False),
    }
