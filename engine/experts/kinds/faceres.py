"""FaceRes, which the user fetches by npm: a MobileNet over the ages 0 to 99."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import torch

from engine.core.digest import file_sha256
from engine.experts.base import EXPERTS, AgePrediction, Expert, ExpertTable, Faces
from engine.experts.network import mirrored
from engine.nets.loading import frozen
from engine.nets.photos.crops import dlib_chip
from engine.nets.photos.faceres import SIZE, FaceRes, load_faceres
from engine.weights.npm import npm_file


@EXPERTS.register("faceres")
class FaceResTable(ExpertTable):
    """Photographs; dlib's face chip of 224 px.

    The distribution is the mean over the margins and over the mirrored chips.
    """

    domain = "photos"
    small = True
    preprocessing = "dlib's face chip, 224 px RGB in [-1, 1], mirrored too"
    kind: Literal["faceres"] = "faceres"
    weights: Literal["faceres"] = "faceres"  # pyright: ignore[reportIncompatibleVariableOverride]
    margins: tuple[float, ...] = (0.35,)
    """Margins around dlib's mean face, in its widths."""

    def path(self) -> Path:
        return npm_file(self.weights, "faceres.bin")

    def load(self, device: torch.device) -> Expert:
        net = frozen(load_faceres()).to(device)
        return FaceResExpert(net, self.margins, file_sha256(self.path()))


@dataclass(frozen=True, slots=True, eq=False)
class FaceResExpert:
    """The mean distribution over all views."""

    net: FaceRes
    margins: tuple[float, ...]
    digest: str

    def predict(self, faces: Faces) -> AgePrediction:
        device = next(self.net.parameters()).device
        views = [
            view
            for margin in self.margins
            for view in mirrored(faces.crops(partial(dlib_chip, size=SIZE, padding=margin)))
        ]
        shares = [self.net(view.to(device)).ages.float().softmax(dim=1) for view in views]
        return AgePrediction.of_distribution(torch.stack(shares).mean(dim=0))
