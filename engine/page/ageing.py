"""Photographs of the page at any age: prepared once, shown again in a moment."""

import threading
from collections import OrderedDict
from dataclasses import dataclass, replace
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import numpy as np

from engine.core.errors import PictureError
from engine.core.progress import Silence
from engine.data.ages import AgeSource
from engine.data.faces import FaceSource
from engine.faces.choose import FaceChoice
from engine.faces.detect import Face
from engine.faces.rotation import Pixels
from engine.images.reading import opened, require_size
from engine.inference.photo_method import MODEL, WELL_KNOWN, PhotoMethod, Sitter, long_side
from engine.inference.plan import InferPlan
from engine.inference.subject import Subject, find_subject
from engine.photo.ageing import age_subject
from engine.photo.personal import load_model
from engine.photo.subject import PhotoSubject
from engine.weights.find import shipped_weights

MOST_MEGAPIXELS = 60.0
SHOWN_SIDE = 1280
"""Long side in px of what is shown while the slider moves; what is saved has the photo's own."""
KEPT = 8
"""Prepared photographs in memory, about 50 MB each, whoever's they are."""
FACE_SIDE = 192


@dataclass(frozen=True, slots=True)
class Choice:
    """What the browser asked for: which photo, which face of it, how old, and whether to insist."""

    photo: Path
    face: int = 1
    age: float | None = None
    force: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Sitting:
    """A photograph that is ready: its aligned face, the sitter, and the copy that is shown."""

    face: Pixels
    sitter: Sitter
    small: Face
    prepared: PhotoSubject
    sha256: str

    @property
    def before(self) -> Pixels:
        """The photograph itself as it is shown, (h, w, 3)."""
        return self.prepared.pixels


class RefusedError(PictureError):
    """A photograph whose face (s, s, 3) was found, but which the model is not made for."""

    def __init__(self, reason: str, face: Pixels) -> None:
        super().__init__(reason, status="skipped")
        self.face = face


class Studio:
    """Prepares photographs by the photo model; one at a time, the latest are kept.

    lock: held while dlib is at work, whose detectors serve one thread.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self._kept: OrderedDict[Choice, Sitting] = OrderedDict()
        self._plan = InferPlan(source=Path(), out=Path(), ages=(WELL_KNOWN[0],))
        model = load_model(shipped_weights()[MODEL])
        self._method = PhotoMethod(model, self._plan, Silence(), refuse_drawn=True)

    def warm_up(self) -> None:
        """Load what the first photograph would wait for: detectors, and networks' first run."""
        with as_file(files("engine.shipped") / "composites" / "42_man.jpg") as photo, self.lock:
            sitting = self._prepared(Choice(photo))
            aged = self.at(sitting, WELL_KNOWN[1])
            self._method.evaluated(aged, sitting.small, sitting.sitter, WELL_KNOWN[1])

    def sitting(self, choice: Choice) -> Sitting:
        """A photograph, ready; PictureError with the reason of `tm infer` for one that is not."""
        with self.lock:
            if choice not in self._kept:
                self._kept[choice] = self._prepared(choice)
                while len(self._kept) > KEPT:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(choice)
            return self._kept[choice]

    def face(self, choice: Choice) -> Pixels:
        """The chosen face, aligned, for models that do the rest themselves; PictureError."""
        with self.lock:
            return find(choice).face(FACE_SIDE)

    def at(self, sitting: Sitting, age: float) -> Pixels:
        """The photograph (h, w, 3) at an age in years."""
        return age_subject(sitting.prepared, sitting.sitter.source.years, age)

    def evaluated(self, sitting: Sitting, picture: Pixels, age: float) -> dict[str, Any]:
        """Estimated age and identity of what is shown, as in `results.jsonl`."""
        with self.lock:
            return self._method.evaluated(picture, sitting.small, sitting.sitter, age)

    def _prepared(self, choice: Choice) -> Sitting:
        subject = find(choice)
        assert subject.detected is not None
        face = subject.face(FACE_SIDE)
        plan = replace(self._plan, age=choice.age, force=choice.force, known_ages=AgeSource())
        try:
            sitter = self._method.sitter(subject, plan)
        except PictureError as error:
            raise RefusedError(error.reason, face) from error
        shown, small = shrunk(subject.photo, subject.detected)
        prepared = self._method.prepared(shown, small)
        return Sitting(face, sitter, small, prepared, subject.sha256)


def find(choice: Choice) -> Subject:
    """The chosen face of a photo; PictureError as of `tm infer`, and for a photo too large."""
    with opened(choice.photo) as image:
        require_size(image, MOST_MEGAPIXELS)
    wanted = FaceChoice() if choice.face == 1 else FaceChoice("number", choice.face)
    return find_subject(choice.photo, wanted, FaceSource())


def shrunk(photo: Pixels, face: Face) -> tuple[Pixels, Face]:
    """A photo (h, w, 3) of at most SHOWN_SIDE, and its face there."""
    scale = min(SHOWN_SIDE / max(photo.shape[:2]), 1.0)
    if scale == 1.0:
        return photo, face
    small = long_side(photo, SHOWN_SIDE)
    left, top, right, bottom = (side * scale for side in face.box)
    points = ((face.landmarks + 0.5) * scale - 0.5).astype(np.float32)
    return small, replace(face, box=(left, top, right, bottom), landmarks=points)
