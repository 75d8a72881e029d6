from typing import Literal

import torch.nn.functional as F
from torch import Tensor

from engine.landscapes.losses.base import LANDSCAPE_LOSSES, LandscapeLoss
from engine.landscapes.losses.inputs import LandscapeLossInputs
from engine.schedules.constant import Constant


@LANDSCAPE_LOSSES.register("affective_features")
class AffectiveFeatures(LandscapeLoss):
    """The discriminator attends to generated images as to real ones of the same emotion.

    Affective feature matching (Park and Lee, ACCV 2020, equations 4 and 5, weight 100): L1 between
    the attention maps of its units, by valence and by arousal, averaged over the units. Needs
    `net.discriminator_units`, and `adversarial.target_sampling = "batch"`, which pairs the images.
    """

    kind: Literal["affective_features"] = "affective_features"

    @property
    def is_used(self) -> bool:
        """Whether its weight is ever other than 0."""
        return not isinstance(self.weight, Constant) or self.weight.value != 0

    def generator_loss(self, inputs: LandscapeLossInputs) -> Tensor:
        real, generated = (inputs.output(images).attention for images in ("real", "generated"))
        if not real:
            raise ValueError("the discriminator of this training has no units")
        distances = [
            F.l1_loss(ours.valence.float(), theirs.valence.detach().float())
            + F.l1_loss(ours.arousal.float(), theirs.arousal.detach().float())
            for ours, theirs in zip(generated, real, strict=True)
        ]
        return sum(distances[1:], distances[0]) / len(distances)
