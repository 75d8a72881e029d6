"""FaceRes, which the user fetches by npm: a MobileNet over the ages 0 to 99."""

from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from engine.core.digest import file_sha256
from engine.experts.base import EXPERTS, Expert, ExpertTable
from engine.experts.network import ChipExpert
from engine.nets.loading import channels_last, frozen
from engine.nets.photos.faceres import SIZE, load_faceres
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
        net = channels_last(frozen(load_faceres())).to(device)

        def logits(chips: Tensor) -> Tensor:
            return net(chips.to(device)).ages

        return ChipExpert(logits, SIZE, self.margins, file_sha256(self.path()))
