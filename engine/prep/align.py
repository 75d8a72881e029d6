"""A folder of photos to a folder of aligned faces, resumable, one ledger row for each face."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from engine.core.digest import file_sha256, settings_digest
from engine.core.errors import InputError, PictureError, UsageError
from engine.core.ledger import Ledger
from engine.core.lock import locked
from engine.core.progress import Progress, reported
from engine.core.table import Table
from engine.data.ages import AgeSource
from engine.data.manifest import Point, Row, ledger_of, seen_from
from engine.data.points import holds_points, points_of, read_points
from engine.faces.boxes import Box
from engine.faces.choose import FaceChoice
from engine.faces.crop import crop_face
from engine.faces.detect import Detection, Face, FaceFinder
from engine.geometry.ffhq import quad_of
from engine.geometry.landmarks import yaw
from engine.images.naming import stems
from engine.images.reading import Picture, find_pictures, read_picture
from engine.images.saving import save_png
from engine.runtime.pool import in_processes

SMALLEST, LARGEST = 32, 4096
PHOTOS_A_WORKER = 4


class Reading(Table):
    """What is accepted as a photo."""

    max_megapixels: float = Field(default=250.0, gt=0)
    """Larger pictures are refused before they are decoded: they may be bombs."""


@dataclass(frozen=True, slots=True)
class AlignPlan:
    """Everything that decides what an alignment run leaves behind."""

    source: Path
    out: Path
    size: int = 1024
    choice: FaceChoice = FaceChoice()
    thorough: bool = False
    landmarks_file: Path | None = None
    ages: AgeSource = AgeSource()
    reading: Reading = Reading()
    detection: Detection = Detection()

    def __post_init__(self) -> None:
        if not SMALLEST <= self.size <= LARGEST:
            raise UsageError(f"the size {self.size} is outside {SMALLEST}..{LARGEST} pixels")

    @property
    def settings(self) -> str:
        """Changes whenever a rerun would give other pictures."""
        points = self.landmarks_file
        return settings_digest(
            {
                "size": self.size,
                "choice": str(self.choice),
                "reading": self.reading.dump(),
                "thorough": self.thorough,
                "landmarks": file_sha256(points) if points is not None else None,
                "detection": self.detection.dump(),
            }
        )


@dataclass(frozen=True, slots=True)
class Job:
    """One photo to align and where its faces go: `output` has no suffix yet."""

    photo: Path
    output: Path


@dataclass(frozen=True, slots=True)
class AlignReport:
    """What a run did: every row of the manifest, and the sources that it worked on now."""

    rows: tuple[Row, ...]
    fresh: frozenset[str]

    def count(self, status: str) -> int:
        """How many rows of this run have a status."""
        return sum(row.status == status and row.source in self.fresh for row in self.rows)

    @property
    def kept(self) -> int:
        """How many faces an earlier run had aligned already."""
        return sum(row.status == "done" and row.source not in self.fresh for row in self.rows)


def plan_jobs(plan: AlignPlan) -> list[Job]:
    """The photos of the source in order of path; InputError explains an empty one."""
    if not plan.source.exists():
        raise UsageError(f"`{plan.source}` does not exist")
    out = plan.out.resolve()
    found = find_pictures(plan.source)
    photos = [path for path in found.pictures if out not in path.resolve().parents]
    if not photos:
        raise InputError(f"nothing to align in `{plan.source}`: {found.explanation}")
    return [Job(photo, plan.out / stem) for photo, stem in stems(photos, plan.source).items()]


def align_photos(plan: AlignPlan, *, workers: int, progress: Progress) -> AlignReport:
    """Align every photo that the ledger does not hold yet under the same settings."""
    jobs = plan_jobs(plan)
    plan.choice.check()
    with locked(plan.out), ledger_of(plan.out) as ledger:
        left = list(_left_to_do(jobs, plan, ledger))
        work = partial(align_one, plan=plan, settings=plan.settings)
        with reported(progress, "Aligning", len(left)):
            for outcome in in_processes(work, left, workers=_worth(workers, len(left), plan)):
                _record(ledger, outcome.item, outcome.result, plan)
                progress.advance(outcome.item.photo.name)
        rows = tuple(Row.model_validate(row) for row in ledger.rows.values())
        fresh = frozenset(seen_from(plan.out, job.photo) for job in left)
    return AlignReport(rows, fresh)


def align_one(job: Job, *, plan: AlignPlan, settings: str) -> list[Row]:
    """Find, choose, crop and save the faces of one photo; a reason where there is none."""
    about: dict[str, Any] = {"source": seen_from(plan.out, job.photo), "settings": settings}
    try:
        about["sha256"] = file_sha256(job.photo)
        picture = read_picture(job.photo, max_megapixels=plan.reading.max_megapixels)
        height, width = picture.pixels.shape[:2]
        about |= {"taken": picture.taken, "gray": picture.gray, "photo_size": (width, height)}
        about |= _age(plan, job.photo, picture)
        faces = _faces(plan, job.photo, picture)
        if not faces:
            raise PictureError("no face found", status="skipped")
        chosen = plan.choice.among(faces, picture.pixels)
    except PictureError as error:
        return [Row(status=error.status, reason=error.reason, **about)]
    except OSError as error:
        return [Row(status="failed", reason=f"cannot be read: {error.strerror}", **about)]
    numbered = len(chosen) > 1 or plan.choice.every
    return [
        _save(face, number, picture, job.output, numbered, plan, about)
        for number, face in enumerate(chosen, 1)
    ]


def _save(
    face: Face,
    number: int,
    picture: Picture,
    output: Path,
    numbered: bool,
    plan: AlignPlan,
    about: dict[str, Any],
) -> Row:
    name = f"{output.name}_{number}.png" if numbered else f"{output.name}.png"
    path, quad = output.with_name(name), quad_of(face.landmarks)
    pixels = crop_face(picture.pixels, quad, plan.size)
    made_from = {key: about[key] for key in ("source", "sha256")}
    save_png(path, pixels, {"made": "aligned from a photo", **made_from})
    return Row(
        output=seen_from(plan.out, path),
        box=_rounded_box(face.box),
        score=round(face.score, 3),
        landmarks=_rounded_points(face.landmarks),
        quad=_rounded_points(quad.corners)[:4],
        face=number,
        detector=face.detector,
        profile=face.profile,
        **about,
    )


def _left_to_do(jobs: list[Job], plan: AlignPlan, ledger: Ledger) -> Iterator[Job]:
    """The jobs whose photo is new, changed, failed, wanted otherwise, or whose picture is gone."""
    settings, by_source = plan.settings, dict[str, list[Row]]()
    for told in ledger.rows.values():
        row = Row.model_validate(told)
        by_source.setdefault(str(row.source), []).append(row)
    for job in jobs:
        rows = by_source.get(seen_from(plan.out, job.photo), [])
        if not rows or not all(_stands(row, job, plan, settings) for row in rows):
            yield job


def _stands(row: Row, job: Job, plan: AlignPlan, settings: str) -> bool:
    if row.status == "failed" or row.settings != settings:
        return False
    if row.output is not None and not (plan.out / row.output).is_file():
        return False
    return row.sha256 == file_sha256(job.photo)


def _given_face(points: NDArray[np.float32], profile_yaw: float) -> Face:
    """A face whose 68 points somebody else found; its box is drawn around them."""
    (left, top), (right, bottom) = points.min(axis=0), points.max(axis=0)
    box = float(left), float(top), float(right), float(bottom)
    angle = yaw(points)
    return Face(box, 1.0, points, "given", 0, abs(angle) >= profile_yaw, angle)


def _worth(workers: int, photos: int, plan: AlignPlan) -> int:
    """As many workers as earn back their start: each loads 100 MB of model files first."""
    each = 1 if plan.thorough else PHOTOS_A_WORKER
    return min(workers, max(photos // each, 1))


def _record(ledger: Ledger, job: Job, rows: list[Row] | None, plan: AlignPlan) -> None:
    source = seen_from(plan.out, job.photo)
    if rows is None:
        reason = "the process working on it died; the picture may need more memory than there is"
        rows = [Row(source=source, status="failed", reason=reason)]
    ledger.drop([key for key, row in ledger.rows.items() if row["source"] == source])
    for row in rows:
        ledger.add(row.dump())


def _age(plan: AlignPlan, photo: Path, picture: Picture) -> dict[str, Any]:
    age = plan.ages.age_of(photo, picture.taken)
    return {} if age is None else {"age": age.years, "age_by": age.source}


def _faces(plan: AlignPlan, photo: Path, picture: Picture) -> list[Face]:
    """The faces of a photo: where the user knows its points, the one they tell of."""
    if plan.landmarks_file is not None and holds_points(plan.landmarks_file):
        points = points_of(photo, read_points(plan.landmarks_file))
        if points is None:
            raise PictureError("its points are not in the given file", status="skipped")
        return [_given_face(points, plan.detection.profile_yaw)]
    finder = FaceFinder(plan.detection, thorough=plan.thorough, landmarks_file=plan.landmarks_file)
    return finder.find(picture.pixels, every=plan.choice.needs_all_sizes)


def _rounded_box(box: Box) -> Box:
    left, top, right, bottom = box
    return round(left, 2), round(top, 2), round(right, 2), round(bottom, 2)


def _rounded_points(points: NDArray[np.floating]) -> tuple[Point, ...]:
    return tuple((round(float(x), 2), round(float(y), 2)) for x, y in points)
