"""A folder of photos to a folder of aligned faces, resumable, one ledger row for each face."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from engine.core.batch import (
    INPUT_FAULTS,
    PROCESS_DIED,
    BatchReport,
    Finished,
    fault_row,
    is_current,
    run_batch,
)
from engine.core.digest import file_sha256, settings_digest
from engine.core.errors import UsageError
from engine.core.ledger import outputs_of
from engine.core.lock import locked
from engine.core.progress import Progress
from engine.core.table import Table
from engine.data.ages import AgeSource
from engine.data.faces import FaceSource
from engine.data.manifest import MANIFEST, Point, Row, ledger_of, seen_from
from engine.faces.boxes import Box
from engine.faces.choose import FaceChoice
from engine.faces.crop import crop_face
from engine.faces.detect import NO_FACE, Face
from engine.geometry.ffhq import quad_of
from engine.images.naming import output_stems
from engine.images.reading import MAX_MEGAPIXELS, Picture, read_picture
from engine.images.saving import require_photograph, save_png, synthetic_mark
from engine.prep.advice import Advice, advise
from engine.runtime.pool import PICTURE_LIMIT, in_processes

SMALLEST, LARGEST = 32, 4096
PHOTOS_A_WORKER = 4


class Reading(Table):
    """Limits of a photo."""

    max_megapixels: float = Field(default=MAX_MEGAPIXELS, gt=0)
    """Larger pictures are refused before they are decoded."""


@dataclass(frozen=True, slots=True)
class AlignPlan:
    """What is aligned, and how."""

    source: Path
    out: Path
    size: int = 1024
    choice: FaceChoice = FaceChoice()
    ages: AgeSource = AgeSource()
    reading: Reading = Reading()
    faces: FaceSource = FaceSource()
    advice: Advice = Advice()
    include_synthetic: bool = False
    """Also align what tm aged, enhanced or generated."""

    def __post_init__(self) -> None:
        if not SMALLEST <= self.size <= LARGEST:
            raise UsageError(f"the size {self.size} is outside {SMALLEST}..{LARGEST} pixels")

    @property
    def settings(self) -> str:
        """Changes whenever a rerun would give other pictures."""
        points = self.faces.file
        return settings_digest(
            {
                "size": self.size,
                "choice": str(self.choice),
                "reading": self.reading.dump(),
                "thorough": self.faces.thorough,
                "landmarks": file_sha256(points) if points is not None else None,
                "detection": self.faces.detection.dump(),
                **({"synthetic": True} if self.include_synthetic else {}),
            }
        )


@dataclass(frozen=True, slots=True)
class Job:
    """One photo to align and where its faces go: `output` has no suffix yet."""

    photo: Path
    output: Path


@dataclass(frozen=True, slots=True)
class AlignReport:
    """Every row of the manifest, what this run did, and warnings about the set of photos."""

    rows: tuple[Row, ...]
    run: BatchReport
    warnings: tuple[str, ...]

    @property
    def new_rows(self) -> tuple[Row, ...]:
        """The rows of the photos that this run worked on."""
        return tuple(Row.model_validate(row) for row in self.run.rows)

    @property
    def ages(self) -> dict[str, int]:
        """How many faces have their age from where: `csv`, `name`, `date`, or `unknown`."""
        return dict(Counter(row.age_by or "unknown" for row in self.rows if row.status == "done"))

    @property
    def lacks_faces(self) -> bool:
        """Whether no face was found in a photo that this run worked on."""
        return any((row.reason or "").startswith(NO_FACE) for row in self.new_rows)

    @property
    def kept(self) -> int:
        """The number of faces that an earlier run had aligned already."""
        new = {row["source"] for row in self.run.rows}
        return sum(row.status == "done" and row.source not in new for row in self.rows)


def plan_jobs(plan: AlignPlan) -> list[Job]:
    """The photos of the source in order of path.

    UsageError if the source does not exist, InputError if it holds no picture.
    """
    own = outputs_of(plan.out / MANIFEST)
    stems = output_stems(plan.source, plan.out, verb="align", own=own)
    return [Job(photo, stem) for photo, stem in stems.items()]


def align_photos(plan: AlignPlan, *, workers: int, progress: Progress) -> AlignReport:
    """Align every photo that the ledger does not hold yet under the same settings."""
    plan.choice.check()
    plan.faces.check()
    jobs, settings = plan_jobs(plan), plan.settings

    def is_finished(job: Job, rows: Sequence[dict[str, Any]]) -> bool:
        current = is_current(job.photo, rows, plan.out, settings, ("done", "skipped"))
        return current and all(_has_its_age(row, job, plan) for row in rows)

    def work(jobs: Sequence[Job]) -> Iterator[Finished[Job]]:
        align = partial(align_one, plan=plan, settings=settings)
        count = _worth(workers, len(jobs), plan)
        for outcome in in_processes(align, jobs, workers=count, limit=PICTURE_LIMIT):
            job, rows = outcome.item, outcome.result
            if rows is None:
                source = seen_from(plan.out, job.photo)
                rows = [Row(source=source, status="failed", reason=PROCESS_DIED)]
            yield job, [row.dump() for row in rows]

    photos = [job.photo for job in jobs]
    with locked(plan.out, guarded=True, inputs=photos), ledger_of(plan.out) as ledger:
        report = run_batch(
            jobs,
            ledger,
            name=lambda job: seen_from(plan.out, job.photo),
            is_finished=is_finished,
            work=work,
            task="Aligning",
            progress=progress,
        )
        rows = tuple(Row.model_validate(row) for row in ledger.rows.values())
    return AlignReport(rows, report, tuple(advise(rows, plan.advice)))


def align_one(job: Job, *, plan: AlignPlan, settings: str) -> list[Row]:
    """Detect, choose, crop and save the faces of one photo; else one row with the reason."""
    about: dict[str, Any] = {"source": seen_from(plan.out, job.photo), "settings": settings}
    try:
        about["sha256"] = file_sha256(job.photo)
        if not plan.include_synthetic:
            require_photograph(job.photo)
        picture = read_picture(job.photo, max_megapixels=plan.reading.max_megapixels)
        height, width = picture.pixels.shape[:2]
        about |= {"taken": picture.taken, "gray": picture.gray, "photo_size": (width, height)}
        about |= _age(plan, job.photo, picture)
        if picture.cut:
            about["reason"] = "lacks its last bytes: a few rows at its bottom may be grey"
        chosen = plan.choice.among(
            plan.faces.search(job.photo, picture.pixels, every=plan.choice.needs_all_sizes),
            picture.pixels,
        )
        numbered = len(chosen) > 1 or plan.choice.every
        return [
            _save(face, number if numbered else None, picture, job, plan, about)
            for number, face in enumerate(chosen, 1)
        ]
    except INPUT_FAULTS as error:
        return [Row(**{**about, **fault_row(error)})]


def _save(
    face: Face,
    number: int | None,
    picture: Picture,
    job: Job,
    plan: AlignPlan,
    about: dict[str, Any],
) -> Row:
    """Crop and save a face; number: counted from 1 in the file's name, None for the only face."""
    suffix = ".png" if number is None else f"_{number}.png"
    path, quad = job.output.with_name(f"{job.output.name}{suffix}"), quad_of(face.landmarks)
    pixels = crop_face(picture.pixels, quad, plan.size)
    made_from = {key: about[key] for key in ("source", "sha256")}
    made = {"made": "aligned from a photo"} | (synthetic_mark(job.photo) or {})
    save_png(path, pixels, {**made, **made_from})
    return Row(
        output=seen_from(plan.out, path),
        box=_rounded_box(face.box),
        score=round(face.score, 3),
        landmarks=_rounded_points(face.landmarks),
        quad=_rounded_points(quad.corners)[:4],
        face=1 if number is None else number,
        detector=face.detector,
        profile=face.profile,
        **about,
    )


def _worth(workers: int, photos: int, plan: AlignPlan) -> int:
    """The workers that are worth their start: each loads 100 MB of model files first."""
    each = 1 if plan.faces.thorough else PHOTOS_A_WORKER
    return min(workers, max(photos // each, 1))


def _age(plan: AlignPlan, photo: Path, picture: Picture) -> dict[str, Any]:
    age = plan.ages.age_of(photo, picture.taken)
    return {} if age is None else {"age": age.years, "age_by": age.source}


def _has_its_age(row: dict[str, Any], job: Job, plan: AlignPlan) -> bool:
    """Whether table, name and date of birth still give the age of a row."""
    age = plan.ages.age_of(job.photo, Row.model_validate(row).taken)
    expected = (None, None) if age is None else (age.years, age.source)
    return (row.get("age"), row.get("age_by")) == expected


def _rounded_box(box: Box) -> Box:
    left, top, right, bottom = box
    return round(left, 2), round(top, 2), round(right, 2), round(bottom, 2)


def _rounded_points(points: NDArray[np.floating]) -> tuple[Point, ...]:
    return tuple((round(float(x), 2), round(float(y), 2)) for x, y in points)
