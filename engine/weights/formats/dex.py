"""DEX (Rothe et al. 2018) as SAM publishes it; its keys have '-' where a module name has '_'."""

from collections.abc import Mapping
from typing import Any

from engine.weights.checkpoint import Checkpoint
from engine.weights.formats.base import FORMATS, Content, Format, has, state_dict


@FORMATS.register("dex")
class Dex(Format):
    """`age`."""

    label = "DEX"

    @staticmethod
    def detect(content: Content) -> bool:
        return has(_renamed(content), "conv1_1.", "conv5_3.", "fc8_101.")

    @staticmethod
    def read(content: Content, *, ema: bool = True) -> Checkpoint:
        return Checkpoint("dex", {"age": state_dict(_renamed(content), "state_dict")})


def _renamed(content: Content) -> dict[str, Any]:
    inner = content.get("state_dict", content)
    if not isinstance(inner, Mapping):
        return {}
    return {str(key).replace("-", "_"): value for key, value in inner.items()}
