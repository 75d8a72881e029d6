"""Frames at other ages by the photo model."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from engine.core.errors import PictureError
from engine.faces.detect import Face
from engine.faces.rotation import Pixels
from engine.inference.photo_method import ADULT, PhotoMethod, flags_of_target, person_mask
from engine.inference.plan import InferPlan
from engine.inference.source_age import SourceAge
from engine.inference.subject import Subject
from engine.photo.ageing import age_change, age_offsets, changed
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
from engine.video.method import Measures


class PhotoFrames:
    """Ages frames by the photo model: masks averaged over time, everything else over the shot."""

    name = "photo"
    stride = 3
    look_spreads: Mapping[str, float] = {"planes": 0.1}
    change_spreads: Mapping[str, float] = {"levels": 0.06}
    change_apart = 0.084

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

    def prepared(self, pixels: Pixels, face: Face, look: Measures, shot: Measures) -> PhotoSubject:
        assert self._whole is not None
        # The person is one in all shots; light, sharpness and hair are those of the shot.
        of_person = {name: self._whole[name] for name in ("code", "points", "glasses")}
        return prepare_frame(
            pixels,
            face.landmarks,
            self.method.model,
            look["planes"],
            ShotLook.of({**shot, **of_person}),
        )

    def change(self, prepared: PhotoSubject) -> Measures:
        assert self._whole is not None
        scale, years, plan = shared_scale(self._whole), self.source.years, self.plan
        # What is measured on the way is let go: the frame waits for those after it.
        own = replace(prepared, work=replace(prepared.work))
        changes = [age_change(own, years, age, strength=plan.strength) for age in plan.ages]
        return {"levels": np.stack([shared_change(own, one, scale) for one in changes])}

    def pictures(self, prepared: PhotoSubject, means: Measures) -> Sequence[Pixels]:
        years, strength = self.source.years, self.plan.strength
        return [
            changed(
                prepared,
                averaged_change(
                    prepared, age_offsets(prepared, years, age, strength=strength), shared
                ),
            )
            for age, shared in zip(self.plan.ages, means["levels"], strict=True)
        ]

    def evaluated(self, picture: Pixels, face: Face, age: float) -> dict[str, Any]:
        return self.method.evaluated(picture, face, self.sitter, age)

    def facts(self, age: float) -> dict[str, Any]:
        return {
            "extrapolated_years": self.method.own.beyond(age),
            "source_age": round(self.source.years, 2),
            "age_source": self.source.source,
            "flags": [*flags_of_target(age), *self.sitter.flags],
        }
