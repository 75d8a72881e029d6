"""MiVOLO (Kuprashevich and Tolstykh 2023): weights beside the scale of its ages."""

from collections.abc import Mapping
from typing import Any

from engine.core.errors import WeightsError
from engine.weights.checkpoint import Checkpoint
from engine.weights.formats.base import FORMATS, Content, Format, has, unwrapped

SCALE = {"low": "min_age", "high": "max_age", "middle": "avg_age"}
"""Our names for the numbers beside the weights: raw = (years - middle) / (high - low)."""
UNUSED = "fds."
"""Statistics of a loss (feature distribution smoothing), which no inference uses."""


@FORMATS.register("mivolo")
class MiVolo(Format):
    """`age`; the fact `age_scale` holds `low`, `high` and `middle` in years."""

    label = "MiVOLO"

    @staticmethod
    def detect(content: Content) -> bool:
        state: Any = content.get("state_dict_ema", content.get("state_dict"))
        return isinstance(state, Mapping) and has(state, "patch_embed.", "network.", "head.")

    @staticmethod
    def read(content: Content, *, ema: bool = True) -> Checkpoint:
        absent = [key for key in SCALE.values() if key not in content]
        if absent:
            raise WeightsError(f"is no whole MiVOLO checkpoint: it lacks {', '.join(absent)}")
        state = {k: v for k, v in unwrapped(content).items() if not k.startswith(UNUSED)}
        scale = {name: float(content[key]) for name, key in SCALE.items()}
        return Checkpoint("mivolo", {"age": state}, facts={"age_scale": scale})
