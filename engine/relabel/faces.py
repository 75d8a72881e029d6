"""Pictures to aligned faces: each decoded once, ahead of the experts, chunk by chunk."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np

from engine.core.batch import PROCESS_DIED
from engine.core.digest import file_sha256
from engine.core.errors import PictureError
from engine.core.table import Table
from engine.data.faces import FaceSource
from engine.experts.base import Pixels, Points
from engine.faces.choose import FaceChoice
from engine.faces.detect import Detection, FaceFinder
from engine.geometry.ffhq import is_aligned
from engine.images.reading import read_picture
from engine.images.saving import is_rendered
from engine.inference.subject import Subject, find_subject
from engine.relabel.source import Job
from engine.runtime.pool import PICTURE_LIMIT, in_processes, in_threads

PREFETCH = 2
"""Chunks that are decoded ahead."""
PROBED = 5
"""Pictures by which a folder is known to hold aligned faces or not."""
BODY = (2.2, 7.0)
"""Width and height of a body in sides of the FFHQ square's face, measured from its eyes down."""


class FaceReading(Table):
    """How faces are read from the pictures."""

    pictures: Literal["auto", "aligned", "photos"] = "auto"
    """`aligned`: every picture is an aligned face; `photos`: a face is detected in each; `auto`:
    by the manifest, or by a few of the pictures."""
    size: int = 512
    """Side in px at which faces are cut out of photographs."""
    detection: Detection = Detection()


@dataclass(frozen=True, slots=True, eq=False)
class LoadedFace:
    """A picture after reading: its digest and its face, or the reason why there is none.

    landmarks: (68, 2) in the pixels of the face, None where nothing was detected; rendered: whether
    the file says that tm drew it.
    """

    job: Job
    sha256: str | None
    face: Pixels | None = None
    body: Pixels | None = None
    landmarks: Points | None = None
    rendered: bool = False
    reason: str | None = None
    status: Literal["done", "skipped", "failed"] = "done"


def declared_aligned(jobs: Sequence[Job], reading: FaceReading) -> bool | None:
    """Whether the recipe or the manifest declares aligned faces; None where neither says."""
    if reading.pictures != "auto":
        return reading.pictures == "aligned"
    declared = {job.aligned for job in jobs}
    return None if None in declared else declared == {True}


def are_aligned(jobs: Sequence[Job], reading: FaceReading) -> bool:
    """Whether the pictures are aligned faces: as declared, else by landmarks in a few of them."""
    if (declared := declared_aligned(jobs, reading)) is not None:
        return declared
    step = max(len(jobs) // PROBED, 1)
    finder, aligned = FaceFinder(reading.detection), list[bool]()
    for job in jobs[::step][:PROBED]:
        try:
            pixels = read_picture(job.path).pixels
        except PictureError:
            continue
        if pixels.shape[0] != pixels.shape[1]:
            return False
        faces = finder.find(pixels, every=False)
        if faces:
            aligned.append(bool(is_aligned(faces[0].landmarks, pixels.shape[1])))
    return bool(aligned) and all(aligned)


def load_chunks(
    chunks: Sequence[Sequence[Job]],
    *,
    aligned: bool,
    reading: FaceReading,
    bodies: bool,
    workers: int,
) -> Iterator[list[LoadedFace]]:
    """The faces of each chunk, in order; aligned ones by a thread, others by processes."""
    if aligned:
        yield from in_threads(_load_aligned, chunks, threads=1, ahead=PREFETCH)
        return
    work = partial(detect_face, reading=reading, bodies=bodies)
    yield from _by_processes(chunks, work, workers)


def read_chunk(
    jobs: Sequence[Job], aligned: bool, reading: FaceReading, bodies: bool
) -> list[LoadedFace]:
    """The faces of a chunk, one after the other."""
    if aligned:
        return _load_aligned(jobs)
    return [detect_face(job, reading=reading, bodies=bodies) for job in jobs]


def read_aligned(job: Job) -> LoadedFace:
    """A whole picture as an aligned face."""
    try:
        digest = file_sha256(job.path)
        pixels, rendered = read_picture(job.path).pixels, is_rendered(job.path)
        if pixels.shape[0] != pixels.shape[1]:
            size = f"{pixels.shape[1]} x {pixels.shape[0]} px"
            raise PictureError(f"is no aligned face: {size} is no square")
    except PictureError as error:
        return LoadedFace(job, digest_of(job.path), reason=error.reason, status=error.status)
    except OSError as error:
        return LoadedFace(job, None, reason=f"cannot be read: {error.strerror}", status="failed")
    return LoadedFace(job, digest, pixels, rendered=rendered)


def _load_aligned(jobs: Sequence[Job]) -> list[LoadedFace]:
    return [read_aligned(job) for job in jobs]


def detect_face(job: Job, *, reading: FaceReading, bodies: bool) -> LoadedFace:
    """The largest face of a photograph, aligned the FFHQ way."""
    try:
        subject = find_subject(job.path, FaceChoice(), FaceSource(reading.detection))
        rendered = is_rendered(job.path)
    except PictureError as error:
        return LoadedFace(job, digest_of(job.path), reason=error.reason, status=error.status)
    except OSError as error:
        return LoadedFace(job, None, reason=f"cannot be read: {error.strerror}", status="failed")
    face, points = subject.face(reading.size), subject.face_points(reading.size)
    body = body_of(subject) if bodies else None
    return LoadedFace(job, subject.sha256, face, body, points, rendered)


def body_of(subject: Subject) -> Pixels | None:
    """The part of the photograph below and beside the face; None where that is little.

    MiVOLO was trained on boxes of a person detector; this box is placed by the face alone.
    """
    corners = subject.quad.corners
    side, centre = float(np.linalg.norm(corners[3] - corners[0])), corners.mean(axis=0)
    face = side / 2  # of the FFHQ square, a face takes half the side
    height, width = subject.photo.shape[:2]
    left, right = (round(centre[0] + sign * BODY[0] * face / 2) for sign in (-1, 1))
    top, bottom = round(centre[1] - face), round(centre[1] - face + BODY[1] * face)
    box = subject.photo[max(top, 0) : min(bottom, height), max(left, 0) : min(right, width)]
    return box if min(box.shape[:2]) >= 50 and box.shape[0] > 2 * face else None


def _by_processes(
    chunks: Sequence[Sequence[Job]], work: Callable[[Job], LoadedFace], workers: int
) -> Iterator[list[LoadedFace]]:
    """Faces arrive one by one, and leave in whole chunks and in order."""
    faces: dict[str, LoadedFace] = {}
    pending = list(chunks)
    jobs = [job for chunk in chunks for job in chunk]
    for outcome in in_processes(work, jobs, workers=workers, limit=PICTURE_LIMIT):
        faces[outcome.item.name] = (
            outcome.result
            if outcome.result is not None
            else LoadedFace(outcome.item, None, reason=PROCESS_DIED, status="failed")
        )
        while pending and all(job.name in faces for job in pending[0]):
            yield [faces.pop(job.name) for job in pending.pop(0)]


def digest_of(path: Path) -> str | None:
    """The SHA-256 of a file, None where it cannot be read."""
    try:
        return file_sha256(path)
    except OSError:  # reading the picture reports the reason
        return None
