"""How old the person in a photograph is: given, noted somewhere, or estimated."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from engine.data.ages import AgeSource, parse_born
from engine.data.manifest import MANIFEST, read_manifest
from engine.faces.boxes import Box, grown
from engine.faces.fitting import cut, resized
from engine.faces.rotation import Pixels
from engine.geometry.landmarks import Points
from engine.images.ranges import to_tensor
from engine.inference.plan import InferPlan
from engine.inference.subject import Subject
from engine.nets.photos.estimator import Cc0Estimator

AGE_BY = Cc0Estimator.name
LARGEST_FACE = 256
"""Box width in px to which larger faces are shrunk before their chips of 64 px are cut."""
NAMES = {"csv": "manifest", "name": "name", "date": "exif"}


@dataclass(frozen=True, slots=True)
class SourceAge:
    """An age in years, and where it is from: given, manifest, name, exif or estimated."""

    years: float
    source: str


class AgeEstimates:
    """Ages of faces in whole photographs by the CC0 network."""

    def __init__(self) -> None:
        self.estimator = Cc0Estimator()

    def years(self, photo: Pixels, points: Points, box: Box) -> float:
        """The age of the face with points (68, 2) and a box in a photo (h, w, 3)."""
        patch, left, top = cut(photo, grown(box, 1.0))
        shrink = min(LARGEST_FACE / max(box[2] - box[0], 1.0), 1.0)
        inside = (points - [left, top] + 0.5) * shrink - 0.5
        picture = to_tensor(resized(patch, shrink))
        return self.estimator.years(picture, torch.from_numpy(inside))


def source_age(subject: Subject, plan: InferPlan, estimated: float) -> SourceAge:
    """The age that was given, else noted in a manifest, a name or by a camera, else estimated."""
    if plan.age is not None:
        return SourceAge(plan.age, "given")
    known = plan.known_ages.age_of(subject.path, subject.taken)
    if known is not None:
        return SourceAge(known.years, NAMES[known.source])
    return SourceAge(estimated, "estimated")


def known_ages(source: Path, born: str | None = None) -> AgeSource:
    """What the manifest beside the photos says, their names, and a date of birth.

    UsageError for a damaged manifest or a date that is none.
    """
    return AgeSource(listed=_listed(source), born=None if born is None else parse_born(born))


def _listed(source: Path) -> Mapping[str, float]:
    folder = source if source.is_dir() else source.parent
    if not (folder / MANIFEST).is_file():
        return {}
    return {
        (folder / row.output).as_posix(): row.age
        for row in read_manifest(folder)
        if row.output is not None and row.age is not None
    }
