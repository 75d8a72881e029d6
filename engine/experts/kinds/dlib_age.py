"""A line on dlib's face descriptor network, in the package: 768 features to one number."""

from functools import partial
from typing import Literal

import torch
from torch import Tensor

from engine.experts.base import EXPERTS, Expert, ExpertTable
from engine.experts.network import ViewsExpert
from engine.nets.loading import channels_last, frozen
from engine.nets.photos.crops import dlib_chip
from engine.nets.photos.dlib_age import WEIGHTS, DlibAge
from engine.nets.photos.dlib_resnet import PADDING, SIZE
from engine.nets.protocols import weights_digest
from engine.weights.load import read_checkpoint


@EXPERTS.register("dlib-age")
class DlibAgeTable(ExpertTable):
    """Photographs; dlib's face chip of 150 px with the margin of its descriptor.

    Years are the mean over the chip and the mirrored one, the spread is their deviation.
    """

    domain = "photos"
    small = True
    preprocessing = "dlib's face chip, 150 px RGB in [-1, 1], mirrored too"
    kind: Literal["dlib-age"] = "dlib-age"
    weights: str = WEIGHTS
    margins: tuple[float, ...] = (PADDING,)
    """Margins around dlib's mean face, in its widths."""

    def load(self, device: torch.device) -> Expert:
        net = channels_last(frozen(DlibAge.from_head(read_checkpoint(self.path()).part("age")))).to(
            device
        )
        places = tuple(partial(dlib_chip, size=SIZE, padding=margin) for margin in self.margins)

        def years(chips: Tensor) -> Tensor:
            return net(chips.to(device))

        return ViewsExpert(years, places, weights_digest(net.state_dict()))
