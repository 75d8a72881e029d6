"""The CC0 age network of dlib-models, in the package: a ResNet-10 over the ages .25 to 80."""

from typing import Literal

import torch

from engine.experts.base import EXPERTS, Expert, ExpertTable
from engine.experts.network import ChipExpert
from engine.nets.photos.age_cc0 import AGE_SIZE, AgeCc0
from engine.nets.photos.estimator import MARGINS, Cc0Estimator
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
    margins: tuple[float, ...] = MARGINS
    """Margins around dlib's mean face, in its widths."""

    def load(self, device: torch.device) -> Expert:
        state = read_checkpoint(self.path()).part("age")
        estimator = Cc0Estimator(device, AgeCc0.from_state(state))
        return ChipExpert(estimator.logits, AGE_SIZE, self.margins, weights_digest(state))
