"""The CC0 age network of dlib-models, in the package: a ResNet-10 over the ages .25 to 80."""

from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch

from engine.experts.base import EXPERTS, AgePrediction, Expert, ExpertTable, Faces
from engine.experts.network import mirrored
from engine.nets.loading import frozen
from engine.nets.photos.age_cc0 import AGE_SIZE, AgeCc0
from engine.nets.photos.crops import dlib_chip
from engine.nets.protocols import weights_digest
from engine.weights.load import read_checkpoint


@EXPERTS.register("age-cc0")
class AgeCc0Table(ExpertTable):
    """Photographs; dlib's face chip of 64 px with a margin of .2 as trained, and others beside it.

    The distribution is the mean over the margins and over the mirrored chips.
    """

    domain = "photos"
    small = True
    preprocessing = "dlib's face chip, 64 px RGB in [-1, 1], several margins, mirrored too"
    kind: Literal["age-cc0"] = "age-cc0"
    weights: str = "age-cc0"
    margins: tuple[float, ...] = (0.1, 0.2, 0.3, 0.4)
    """Margins around dlib's mean face, in its widths."""

    def load(self, device: torch.device) -> Expert:
        state = read_checkpoint(self.path()).part("age")
        net = frozen(AgeCc0.from_state(state)).to(device)
        return AgeCc0Expert(net, self.margins, weights_digest(state))


@dataclass(frozen=True, slots=True, eq=False)
class AgeCc0Expert:
    """The mean distribution over all views."""

    net: AgeCc0
    margins: tuple[float, ...]
    digest: str

    def predict(self, faces: Faces) -> AgePrediction:
        device = next(self.net.parameters()).device
        views = [
            view
            for margin in self.margins
            for view in mirrored(faces.crops(partial(dlib_chip, size=AGE_SIZE, padding=margin)))
        ]
        shares = [self.net(view.to(device)).float().softmax(dim=1) for view in views]
        return AgePrediction.of_distribution(torch.stack(shares).mean(dim=0))
