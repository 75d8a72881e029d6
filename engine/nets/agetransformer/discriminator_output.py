"""The output of a discriminator of faces at an age."""

from typing import NamedTuple

from torch import Tensor


class DiscriminatorOutput(NamedTuple):
    """Logits (b, 1, h, w), one tensor a scale, above 0 for a real picture of that age.

    ages: logits (b, k) of the anchors' bins; features: the maps (b, c, h, w) they were read off.
    """

    logits: tuple[Tensor, ...]
    ages: Tensor
    features: tuple[Tensor, ...]
