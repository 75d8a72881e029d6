"""Frames at other ages by a model of latent codes, pasted into the clip.

As in Tzaban et al. (2022, "Stitch it in Time") each frame has a code, and codes are made steady
over time, so that pose and expression move and nothing else does. They hold one edit for a whole
clip; here it is the mean of the frames nearby, since in small models that of a turned head is
another one.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from engine.faces.crop import crop_face
from engine.faces.detect import Face
from engine.faces.paste import colour_gain, paste_face
from engine.faces.rotation import Pixels
from engine.geometry.ffhq import Quad, quad_of
from engine.images.ranges import to_pixels, to_tensor
from engine.inference.aligned_method import AlignedMethod
from engine.inference.plan import InferPlan
from engine.inference.reage import Reager
from engine.inference.subject import Subject
from engine.video.method import Measures


class _Own(NamedTuple):
    pixels: Pixels
    quad: Quad
    portraits: list[Pixels]
    gains: NDArray[np.floating]


class CodedFrames:
    """Ages frames by a `Reager`: codes averaged over time, colours over the shot."""

    stride = 1
    look_spreads: Mapping[str, float] = {"targets": 0.04}
    change_spreads: Mapping[str, float] = {}
    change_apart = 0.0

    def __init__(
        self, ager: Reager, method: AlignedMethod, subject: Subject, plan: InferPlan
    ) -> None:
        """PictureError for a face that the model does not know."""
        self.ager, self.method, self.plan = ager, method, plan
        self.name = method.model or "codes"
        face = to_tensor(subject.face(ager.input_size))
        if not plan.force:
            ager.require(face)
        self.content = subject.content
        self.subject = subject
        self._reference: np.ndarray | None = None

    def measure(self, pixels: Pixels, face: Face) -> Measures:
        quad = quad_of(face.landmarks)
        codes = self.ager.codes(self._face(pixels, quad), self.plan.ages, self.method.other)
        gains = [
            colour_gain(to_pixels(picture), crop_face(pixels, quad, picture.shape[-1]))
            for picture in self.ager.pictures(codes.targets, self.content)
        ]
        return {"gains": np.stack(gains)}

    def settle(self, whole: Measures) -> None:
        return

    def look(self, pixels: Pixels, face: Face) -> Measures:
        aligned = self._face(pixels, quad_of(face.landmarks))
        codes = self.ager.codes(aligned, self.plan.ages, self.method.other)
        return {"targets": codes.targets.cpu().numpy()}

    def prepared(self, pixels: Pixels, face: Face, look: Measures, shot: Measures) -> _Own:
        quad = quad_of(face.landmarks)
        codes = torch.from_numpy(np.asarray(look["targets"], np.float32))
        portraits = self.ager.pictures(codes.to(self.ager.compute.device), self.content)
        return _Own(pixels, quad, [to_pixels(one) for one in portraits], shot["gains"])

    def change(self, prepared: _Own) -> Measures:
        return {}

    def pictures(self, prepared: _Own, means: Measures) -> Sequence[Pixels]:
        pixels, quad, portraits, gains = prepared
        return [
            paste_face(pixels, portrait, quad, gain=gain, enlarge=False)
            for portrait, gain in zip(portraits, gains, strict=True)
        ]

    def evaluated(self, picture: Pixels, face: Face, age: float) -> dict[str, Any]:
        evaluators, size = self.method.evaluators, self.ager.size
        if evaluators is None:
            return {"predicted_age": None, "identity": None}
        before = to_tensor(self.subject.face(size))
        if self._reference is None:
            self._reference = evaluators.embedding(before)
        after = to_tensor(crop_face(picture, quad_of(face.landmarks), size))
        identity = evaluators.identity(
            evaluators.embedding(after), self._reference, evaluators.impostors(before, age)
        )
        years = evaluators.age(after)
        return {
            "predicted_age": None if years is None else round(years, 2),
            "age_by": evaluators.age_by,
            "identity": round(identity.value, 4),
            "identity_by": identity.evaluator,
        }

    def facts(self, age: float) -> dict[str, Any]:
        return {"extrapolated_years": self.ager.training_domain.beyond(age)}

    def _face(self, pixels: Pixels, quad: Quad) -> torch.Tensor:
        return to_tensor(crop_face(pixels, quad, self.ager.input_size))
