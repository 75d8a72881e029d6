"""face-api's age network, which the user fetches by npm: a tiny Xception to one number."""

from functools import partial
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from engine.core.digest import file_sha256
from engine.experts.base import EXPERTS, Expert, ExpertTable
from engine.experts.network import ViewsExpert
from engine.nets.loading import channels_last, frozen
from engine.nets.photos.crops import face_api_crop
from engine.nets.photos.face_api import SIZE, load_face_api
from engine.weights.npm import npm_file


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
        net = channels_last(frozen(load_face_api())).to(device)

        def years(crops: Tensor) -> Tensor:
            return net(crops.to(device)).age

        places = tuple(partial(face_api_crop, size=SIZE, box=box) for box in self.boxes)
        return ViewsExpert(years, places, file_sha256(self.path()))
