"""face-api's age network, which the user fetches by npm: a tiny Xception to one number."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import torch

from engine.core.digest import file_sha256
from engine.experts.base import EXPERTS, AgePrediction, Expert, ExpertTable, Faces
from engine.experts.network import mirrored
from engine.nets.loading import frozen
from engine.nets.photos.crops import face_api_crop
from engine.nets.photos.face_api import SIZE, FaceApiAgeGender, load_face_api
from engine.weights.npm import npm_file

CONFIDENCE_SCALE = 5.0
"""Years of spread over the views at which confidence has fallen to 1/e."""


@EXPERTS.register("face-api")
class FaceApiTable(ExpertTable):
    """Photographs; an upright square about brows and chin, 112 px.

    Years are the mean over squares of several sizes and over the mirrored ones, the spread is the
    deviation of these views.
    """

    domain = "photos"
    small = True
    preprocessing = (
        "square about brows and chin, 112 px RGB in [-1, 1], several sizes, mirrored too"
    )
    kind: Literal["face-api"] = "face-api"
    weights: Literal["face-api"] = "face-api"  # pyright: ignore[reportIncompatibleVariableOverride]
    boxes: tuple[float, ...] = (1.1, 1.2, 1.3)
    """Sides of the squares in brow-to-chin heights."""

    def path(self) -> Path:
        return npm_file(self.weights, "age_gender_model.bin")

    def load(self, device: torch.device) -> Expert:
        net = frozen(load_face_api()).to(device)
        return FaceApiExpert(net, self.boxes, file_sha256(self.path()))


@dataclass(frozen=True, slots=True, eq=False)
class FaceApiExpert:
    """The mean over all views."""

    net: FaceApiAgeGender
    boxes: tuple[float, ...]
    digest: str

    def predict(self, faces: Faces) -> AgePrediction:
        device = next(self.net.parameters()).device
        views = [
            view
            for box in self.boxes
            for view in mirrored(faces.crops(partial(face_api_crop, size=SIZE, box=box)))
        ]
        years = torch.stack([self.net(view.to(device)).age.float().cpu() for view in views])
        spread = years.std(dim=0)
        return AgePrediction(years.mean(dim=0), spread, (-spread / CONFIDENCE_SCALE).exp())
