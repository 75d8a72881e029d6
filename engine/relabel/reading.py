"""Pictures to aligned faces: each decoded once, ahead of the experts, chunk by chunk."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np

from engine.core.digest import file_sha256
from engine.core.errors import PictureError
from engine.core.table import Table
from engine.experts.base import Pixels
from engine.faces.choose import FaceChoice
from engine.faces.detect import Detection, FaceFinder
from engine.geometry.ffhq import is_aligned
from engine.images.reading import read_picture
from engine.inference.subject import Subject, find_subject
from engine.relabel.source import Job
from engine.runtime.pool import in_processes, in_threads

MEGAPIXELS = 250.0
AHEAD = 2
"""Chunks that are decoded before they are asked for."""
LOOKED_AT = 5
"""Pictures by which a folder is known to hold aligned faces or not."""
BODY = (2.2, 7.0)
"""Width and height of a body in sides of the FFHQ square's face, measured from its eyes down."""


class FaceReading(Table):
    """How faces are found in the pictures."""

    pictures: Literal["auto", "aligned", "photos"] = "auto"
    """`aligned` takes every picture for a face, `photos` looks for one in each; `auto` looks at a
    few, or reads the manifest."""
    size: int = 512
    """Side in px at which faces are cut out of photographs."""
    detection: Detection = Detection()


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """A picture after reading: its digest and its face, or why there is none."""

    job: Job
    sha256: str | None
    face: Pixels | None = None
    body: Pixels | None = None
    reason: str | None = None
    status: Literal["done", "skipped", "failed"] = "done"


def told_aligned(jobs: Sequence[Job], reading: FaceReading) -> bool | None:
    """What the recipe or the manifest says of it; None where the pictures have to be looked at."""
    if reading.pictures != "auto":
        return reading.pictures == "aligned"
    told = {job.aligned for job in jobs}
    return None if None in told else told == {True}


def are_aligned(jobs: Sequence[Job], reading: FaceReading) -> bool:
    """Whether the pictures are aligned faces, as the recipe, their manifest or a look says."""
    if (told := told_aligned(jobs, reading)) is not None:
        return told
    step = max(len(jobs) // LOOKED_AT, 1)
    finder, found = FaceFinder(reading.detection), list[bool]()
    for job in jobs[::step][:LOOKED_AT]:
        try:
            pixels = read_picture(job.path, max_megapixels=MEGAPIXELS).pixels
        except PictureError:
            continue
        if pixels.shape[0] != pixels.shape[1]:
            return False
        faces = finder.find(pixels, every=False)
        if faces:
            found.append(bool(is_aligned(faces[0].landmarks, pixels.shape[1])))
    return bool(found) and all(found)


def seen_in_chunks(
    chunks: Sequence[Sequence[Job]],
    *,
    aligned: bool,
    reading: FaceReading,
    bodies: bool,
    workers: int,
) -> Iterator[list[Seen]]:
    """The chunks with their faces, in order; aligned faces by a thread, others by processes."""
    if aligned:
        yield from in_threads(_all_aligned, chunks, threads=1, ahead=AHEAD)
        return
    work = partial(find_face, reading=reading, bodies=bodies)
    yield from _by_processes(chunks, work, workers)


def read_aligned(job: Job) -> Seen:
    """A whole picture as an aligned face."""
    try:
        digest = file_sha256(job.path)
        pixels = read_picture(job.path, max_megapixels=MEGAPIXELS).pixels
        if pixels.shape[0] != pixels.shape[1]:
            size = f"{pixels.shape[1]} x {pixels.shape[0]} px"
            raise PictureError(f"is no aligned face: {size} is no square")
    except PictureError as error:
        return Seen(job, digest_of(job.path), reason=error.reason, status=error.status)
    except OSError as error:
        return Seen(job, None, reason=f"cannot be read: {error.strerror}", status="failed")
    return Seen(job, digest, pixels)


def _all_aligned(jobs: Sequence[Job]) -> list[Seen]:
    return [read_aligned(job) for job in jobs]


def find_face(job: Job, *, reading: FaceReading, bodies: bool) -> Seen:
    """The largest face of a photograph, aligned the FFHQ way."""
    try:
        subject = find_subject(job.path, FaceChoice(), reading.detection)
    except PictureError as error:
        return Seen(job, digest_of(job.path), reason=error.reason, status=error.status)
    except OSError as error:
        return Seen(job, None, reason=f"cannot be read: {error.strerror}", status="failed")
    face = subject.face(reading.size)
    return Seen(job, subject.sha256, face, body_of(subject) if bodies else None)


def body_of(subject: Subject) -> Pixels | None:
    """What the photograph shows of the person below and beside the face; None where that is little.

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
    chunks: Sequence[Sequence[Job]], work: Callable[[Job], Seen], workers: int
) -> Iterator[list[Seen]]:
    """Faces come as they are found, and leave in whole chunks and in order."""
    found: dict[str, Seen] = {}
    left = list(chunks)
    for outcome in in_processes(work, [job for chunk in chunks for job in chunk], workers=workers):
        found[outcome.item.name] = (
            outcome.result
            if outcome.result is not None
            else Seen(outcome.item, None, reason="the process reading it died", status="failed")
        )
        while left and all(job.name in found for job in left[0]):
            yield [found.pop(job.name) for job in left.pop(0)]


def digest_of(path: Path) -> str | None:
    """The SHA-256 of a file, None where it cannot be read."""
    try:
        return file_sha256(path)
    except OSError:  # whatever is wrong with it, its own reason is told
        return None
