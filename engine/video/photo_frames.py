"""Frames at other ages by the photo model."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from engine.core.errors import PictureError
from engine.faces.detect import Face
from engine.faces.rotation import Pixels
from engine.inference.photo_method import ADULT, PhotoMethod, person_mask
from engine.inference.plan import InferPlan
from engine.inference.source_age import SourceAge
from engine.inference.subject import Subject
from engine.photo.ageing import AgeChange, age_change, changed
from engine.photo.clip import (
    ShotLook,
    averaged_change,
    measured,
    prepare_frame,
    seen_planes,
    shared_change,
    shared_scale,
)
from engine.photo.subject import PhotoSubject
from engine.video.method import Change, Measures


class _Own(NamedTuple):
    subject: PhotoSubject
    changes: list[AgeChange]


class PhotoFrames:
    """Ages frames by the photo model: masks averaged over time, everything else over the shot."""

    name = "photo"
    stride = 3
    look_spreads: Mapping[str, float] = {"planes": 0.1}
    change_spreads: Mapping[str, float] = {"levels": 0.05}

    def __init__(self, method: PhotoMethod, subject: Subject, plan: InferPlan) -> None:
        """PictureError for a frame that the model is not made for."""
        self.method, self.plan = method, plan
        self.sitter = method.sitter(subject, plan)
        self.source: SourceAge = self.sitter.source
        self._whole: Measures | None = None

    def measure(self, pixels: Pixels, face: Face) -> Measures:
        method = self.method
        person = person_mask(method.person, pixels, face.box)
        age = method.ages.years(pixels, face.landmarks, face.box)
        return measured(pixels, face.landmarks, method.model, person) | {
            "age": np.array(age, np.float32)
        }

    def settle(self, whole: Measures) -> None:
        apparent = float(whole["age"])
        if apparent < ADULT and not self.plan.force:
            raise PictureError(
                f"shows somebody who looks {apparent:.0f}: the model is made for adults "
                "(`--force` ages an adult who looks younger)",
                status="skipped",
            )
        if self.source.source == "estimated":
            self.source = SourceAge(apparent, "estimated")
        self._whole = whole

    def look(self, pixels: Pixels, face: Face) -> Measures:
        method = self.method
        person = person_mask(method.person, pixels, face.box)
        return {"planes": seen_planes(pixels, face.landmarks, method.model, person)}

    def change(self, pixels: Pixels, face: Face, look: Measures, shot: Measures) -> Change:
        assert self._whole is not None
        # The person is one in all shots; light, sharpness and hair are those of the shot.
        of_person = {name: self._whole[name] for name in ("code", "points", "glasses")}
        prepared = prepare_frame(
            pixels,
            face.landmarks,
            self.method.model,
            look["planes"],
            ShotLook.of({**shot, **of_person}),
        )
        changes = [
            age_change(prepared, self.source.years, age, strength=self.plan.strength)
            for age in self.plan.ages
        ]
        scale = shared_scale(self._whole)
        levels = np.stack([shared_change(prepared, change, scale) for change in changes])
        return Change({"levels": levels}, _Own(prepared, changes))

    def pictures(self, pixels: Pixels, change: Change, means: Measures) -> Sequence[Pixels]:
        own: _Own = change.own
        return [
            changed(own.subject, averaged_change(own.subject, one, shared))
            for one, shared in zip(own.changes, means["levels"], strict=True)
        ]

    def evaluated(self, picture: Pixels, face: Face, age: float) -> dict[str, Any]:
        return self.method.evaluated(picture, face, self.sitter, age)

    def facts(self) -> dict[str, Any]:
        return {
            "source_age": round(self.source.years, 2),
            "age_source": self.source.source,
            "flags": self.sitter.flags,
        }
