"""The averaged weights that a fork checkpoint keeps beside the raw ones."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from engine.core.errors import WeightsError
from engine.weights.checkpoint import StateDict

# The fork names a shadow by the part it follows; its own name of the adapter is `blender`.
ALIASES = {"adapter": "blender"}


def averaged(state: StateDict, ema: Any) -> dict[str, Tensor]:
    """A copy of `state` in which the shadows of `ema` stand for the raw tensors.

    ema: {name: {decay, shadow}}, a shadow's keys being those of the named part or of the whole.
    The fork validates with these weights, so they are what it reports.
    """
    if not isinstance(ema, Mapping):
        raise WeightsError(f"`ema` is {type(ema).__name__}, not a table of averaged parts")
    result = dict(state)
    for name, entry in ema.items():
        shadow = entry.get("shadow") if isinstance(entry, Mapping) else None
        if not isinstance(shadow, Mapping):
            raise WeightsError(f"`ema.{name}` has no `shadow`")
        for key, tensor in shadow.items():
            target = _target(state, str(name), str(key))
            if target is None or not isinstance(tensor, Tensor):
                raise WeightsError(f"`ema.{name}` averages `{key}`, which the file does not hold")
            raw = state[target]
            if tensor.shape != raw.shape:
                raise WeightsError(
                    f"`ema.{name}` has `{key}` as {list(tensor.shape)}, not {list(raw.shape)}"
                )
            result[target] = tensor.to(raw.dtype)
    return result


def _target(state: StateDict, name: str, key: str) -> str | None:
    for candidate in (f"{ALIASES.get(name, name)}.{key}", key):
        if candidate in state:
            return candidate
    return None
