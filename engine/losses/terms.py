"""One summand of a training's total loss."""

from typing import NamedTuple

from torch import Tensor


class Term(NamedTuple):
    """A scalar, the mean over the batch, and its weight in the sum; weight 0 only reports it."""

    value: Tensor
    weight: float = 1.0
