"""How strictly a loss preserves the photo, by the age gap."""

import math

from torch import Tensor

from engine.core.numbers import AGE_CAP


def age_gap_weight(source_age: Tensor, target_age: Tensor) -> Tensor:
    """0.25 cos(pi d) + 0.75 for an age gap of d centuries: (b,) in [0.5, 1].

    Alaluf et al. 2021 (SAM), equation 5: a child resembles the old person it becomes less.
    """
    centuries = ((target_age - source_age).abs() / AGE_CAP).clamp(max=1)
    return 0.25 * (math.pi * centuries).cos() + 0.75
