"""Which of the faces in a picture is meant: `largest`, `all`, a number, or `like:REF`."""

import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal, Self

import numpy as np

from engine.core.errors import InputError, PictureError, UsageError
from engine.faces.descriptor import SAME_PERSON, Descriptor, describe_face, distances
from engine.faces.detect import Detections, Face, FaceFinder
from engine.faces.rotation import Pixels
from engine.images.reading import read_picture

HINT = "write `largest`, `all`, a number from 1, or `like:PHOTO`"


@dataclass(frozen=True, slots=True)
class FaceChoice:
    """A parsed choice; `number` counts from 1 by falling size, `reference` is a photo."""

    kind: Literal["largest", "all", "number", "like"] = "largest"
    number: int = 1
    reference: Path | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what a user wrote; UsageError for anything else."""
        word = text.strip()
        if word.lower() in ("largest", "all"):
            return cls("all" if word.lower() == "all" else "largest")
        if word.lower().startswith("like:"):
            reference = Path(word[5:].strip()).expanduser()
            if not reference.is_file():
                raise UsageError(f"the reference `{word[5:].strip()}` is not a file", hint=HINT)
            return cls("like", reference=reference)
        if word.isascii() and word.isdigit() and int(word) >= 1:
            return cls("number", int(word))
        raise UsageError(f"`{text}` is no choice of a face", hint=HINT)

    def __str__(self) -> str:
        match self.kind:
            case "number":
                return str(self.number)
            case "like":
                return f"like:{self.reference}"
        return self.kind

    @property
    def every(self) -> bool:
        """Whether a picture may give more than one face."""
        return self.kind == "all"

    @property
    def needs_all_sizes(self) -> bool:
        """Whether faces smaller than the largest matter: `FaceFinder.find(every=...)`."""
        return self.kind != "largest"

    def check(self) -> None:
        """Meet the faults of the reference before a batch begins: InputError."""
        if self.reference is not None:
            reference_descriptor(self.reference)

    def among(self, found: Detections, pixels: Pixels) -> list[Face]:
        """Pick from the faces of a picture, largest first; PictureError where none is meant."""
        ordered = sorted(found.faces, key=lambda face: -face.size)
        if not ordered:
            raise PictureError(found.why_none, status="skipped")
        if self.kind == "all":
            return ordered
        if self.reference is not None:
            return [self._most_similar(ordered, pixels, reference_descriptor(self.reference))]
        if self.number > len(ordered):
            raise PictureError(
                f"face {self.number} was requested, {len(ordered)} found", status="skipped"
            )
        return [ordered[self.number - 1]]

    def _most_similar(self, faces: list[Face], pixels: Pixels, wanted: Descriptor) -> Face:
        described = np.stack([describe_face(pixels, face) for face in faces])
        to_reference = distances(described, wanted)
        best = int(to_reference.argmin())
        if to_reference[best] > SAME_PERSON:
            # Rounding up keeps 0.6004 from reading as the limit itself.
            nearest = math.ceil(float(to_reference[best]) * 100) / 100
            raise PictureError(
                f"no face like the reference: nearest distance {nearest:.2f}, limit {SAME_PERSON}",
                status="skipped",
            )
        return faces[best]


@cache
def reference_descriptor(reference: Path) -> Descriptor:
    """Describe the largest face of a photo, once per process."""
    try:
        pixels = read_picture(reference).pixels
    except PictureError as error:
        raise InputError(f"the reference `{reference}` {error.reason}") from error
    detections = FaceFinder().search(pixels, every=False)
    if not detections.faces:
        raise InputError(
            f"the reference `{reference}`: {detections.why_none}", hint="try a frontal photo"
        )
    return describe_face(pixels, detections.faces[0])
