"""What is measured of each picture, kept on the disk picture by picture.

A training that was killed goes on with the next picture, and another training on the same pictures
measures nothing again. A picture that cannot be measured is named and left out.
"""

import inspect
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

import engine.faces.detect
import engine.faces.fitting
import engine.nets.photos.selfie
import engine.photo.bands
import engine.photo.features
import engine.photo.frame
import engine.photo.masks
from engine.core.atomic import written
from engine.core.digest import file_sha256, settings_digest
from engine.core.errors import PictureError
from engine.core.places import CONTENT, features_folder
from engine.core.progress import Progress, reported
from engine.core.regular import open_regular
from engine.faces.boxes import Box
from engine.faces.detect import FaceFinder
from engine.geometry.landmarks import eyes
from engine.images.reading import read_picture
from engine.inference.photo_method import person_mask
from engine.nets.loading import frozen
from engine.nets.photos.selfie import Selfie, load_selfie
from engine.photo.features import FaceFeatures, features_of, view_of
from engine.photo.frame import Floats, Pixels
from engine.runtime.pool import PICTURE_LIMIT, in_processes

MOST_MEGAPIXELS = 60.0
FAULTS = (PictureError, OSError, MemoryError, ValueError, RuntimeError, cv2.error)
"""What one picture may raise, be it damaged or its face degenerate."""
MEASURED_BY = (
    engine.faces.detect,
    engine.faces.fitting,
    engine.nets.photos.selfie,
    engine.photo.bands,
    engine.photo.features,
    engine.photo.frame,
    engine.photo.masks,
)
"""Modules whose change makes earlier measurements void."""
Arrays = Mapping[str, NDArray[Any]]


class FoundFace(NamedTuple):
    """The largest face of a picture: landmarks (68, 2), box, degrees of yaw."""

    landmarks: Floats
    box: Box
    yaw: float


@dataclass(frozen=True, slots=True)
class PictureLimits:
    """Which pictures are measured: pixels between the eyes, and degrees of yaw."""

    smallest: float
    most_turned: float


class Job(NamedTuple):
    """A picture, the file that keeps what is measured of it, and its face once it is known."""

    path: Path
    record: Path
    face: FoundFace | None = None


def read_pixels(path: Path) -> Pixels:
    """A picture (h, w, 3) uint8 RGB; PictureError for one that cannot be read."""
    return read_picture(path, max_megapixels=MOST_MEGAPIXELS).pixels


def find_faces(
    paths: Sequence[Path], limits: PictureLimits, progress: Progress, *, workers: int
) -> list[FoundFace | None]:
    """The face of every picture; None, with a remark, where there is none to use."""
    jobs = [Job(path, record_of("face", path, {})) for path in paths]
    records = measured(jobs, _find, "Finding faces", progress, workers)
    faces: list[FoundFace | None] = []
    for path, record in zip(paths, records, strict=True):
        face, reason = _face_of(record, limits)
        if reason is not None:
            progress.remark(f"`{path.name}` {reason}: left out")
        faces.append(face)
    return faces


def measure_faces(
    paths: Sequence[Path],
    faces: Sequence[FoundFace],
    mean_points: Floats,
    progress: Progress,
    *,
    workers: int,
    masks: bool = True,
) -> list[FaceFeatures | None]:
    """The features of every face in the frame of the mean points (73, 2); None as above.

    masks: find the person by the shipped network first.
    """
    settings = {"mean": mean_points.tobytes().hex(), "masks": masks}
    jobs = [
        Job(path, record_of("features", path, settings), face)
        for path, face in zip(paths, faces, strict=True)
    ]
    work = partial(_features, mean_points=mean_points, masks=masks)
    records = measured(jobs, work, "Measuring faces", progress, workers)
    result: list[FaceFeatures | None] = []
    for path, record in zip(paths, records, strict=True):
        if "reason" in record:
            progress.remark(f"`{path.name}` {record['reason']}: left out")
            result.append(None)
            continue
        values: dict[str, Any] = {field.name: record[field.name] for field in fields(FaceFeatures)}
        values["hair_pixels"] = float(record["hair_pixels"])
        result.append(FaceFeatures(**values))
    return result


def _face_of(record: Arrays, limits: PictureLimits) -> tuple[FoundFace | None, str | None]:
    if "reason" in record:
        return None, str(record["reason"])
    left, top, right, bottom = record["box"].tolist()
    face = FoundFace(record["landmarks"], (left, top, right, bottom), float(record["yaw"]))
    if bool(record["profile"]) or abs(face.yaw) > limits.most_turned:
        return None, f"is turned away by {face.yaw:.0f} degrees"
    distance = eyes(face.landmarks).distance
    if distance < limits.smallest:
        return None, f"has a face of only {distance:.0f} px between the eyes"
    return face, None


def _find(job: Job) -> Arrays:
    try:
        faces = FaceFinder().find(read_pixels(job.path), every=False)
    except FAULTS as error:
        return fault_record(error)
    if not faces:
        return {"reason": np.array("shows no face")}
    return {
        "landmarks": faces[0].landmarks,
        "box": np.array(faces[0].box),
        "yaw": np.array(faces[0].yaw),
        "profile": np.array(faces[0].profile),
    }


_person: list[Selfie] = []
"""The mask network of this process, once it was needed."""


def _features(job: Job, *, mean_points: Floats, masks: bool) -> Arrays:
    assert job.face is not None
    try:
        pixels = read_pixels(job.path)
        mask = mask_of(pixels, job.face.box) if masks else None
        face = features_of(view_of(pixels, job.face.landmarks, mean_points, mask), mean_points)
    except FAULTS as error:
        return fault_record(error)
    arrays = {field.name: np.asarray(getattr(face, field.name)) for field in fields(face)}
    if not all(np.isfinite(array).all() for array in arrays.values()):
        return {"reason": np.array("has a face that cannot be measured")}
    return arrays


def mask_of(pixels: Pixels, box: Box) -> Floats:
    """Where the person is, (h, w) in 0..1, by the shipped network."""
    if not _person:
        _person.append(frozen(load_selfie()))
    return person_mask(_person[0], pixels, box)


def fault_record(error: Exception) -> Arrays:
    """The record of a picture that raised one of FAULTS."""
    reason = error.reason if isinstance(error, PictureError) else f"cannot be measured: {error}"
    return {"reason": np.array(" ".join(reason.split()))}


def measured(
    jobs: Sequence[Job],
    work: Callable[[Job], Arrays],
    task: str,
    progress: Progress,
    workers: int,
) -> list[Arrays]:
    """The record of every job: from the disk where it is there, else made and kept."""
    records: dict[Path, Arrays] = {}
    remaining: list[Job] = []
    for job in jobs:
        kept = _kept(job.record)
        if kept is None:
            remaining.append(job)
        else:
            records[job.path] = kept
    with reported(progress, task, len(remaining)):
        # A few pictures are not worth starting processes.
        workers = min(workers, 1 + len(remaining) // 16)
        distinct = _distinct(remaining)
        for outcome in in_processes(work, distinct, workers=workers, limit=PICTURE_LIMIT):
            job, arrays = outcome.item, outcome.result
            if arrays is None:  # not kept: there may be more memory next time
                arrays = {"reason": np.array("ended the process that measured it")}
            else:
                with written(job.record) as file:
                    np.savez(file, allow_pickle=False, **arrays)
            records[job.path] = arrays
            progress.advance(job.path.name)
    return [records[job.path] for job in jobs]


def _distinct(jobs: Iterable[Job]) -> list[Job]:
    return list({job.path: job for job in jobs}.values())


def _kept(record: Path) -> Arrays | None:
    try:
        with open_regular(record) as stream, np.load(stream, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None  # absent, or damaged: measured again


def record_of(stage: str, path: Path, settings: Mapping[str, Any]) -> Path:
    """Where a measurement is kept: by the content of the picture and by what measures it."""
    try:
        content = file_sha256(path)
    except OSError:  # reading the picture gives the reason
        content = settings_digest({"absent": path.as_posix()})
    digest = settings_digest({"code": _code(), "stage": stage, "picture": content, **settings})
    return features_folder() / f"{content[:CONTENT]}-{digest}.npz"


@cache
def _code() -> str:
    sources = [inspect.getsource(module) for module in MEASURED_BY]
    return settings_digest({"sources": sources})
