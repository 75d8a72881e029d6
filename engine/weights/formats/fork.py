"""A fork of MyTimeMachine: longer encoder heads, and averaged weights beside the raw ones."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from engine.core.errors import WeightsError
from engine.weights.checkpoint import Checkpoint, StateDict
from engine.weights.formats.base import FORMATS, Content, Format, plain_options
from engine.weights.formats.psp import checkpoint_of, variant_of, weights_of

# A shadow is named by the part it follows; the fork's own name of the adapter is `blender`.
ALIASES = {"adapter": "blender"}
WITH_ADAPTER = "delta"
"""The only coach that trained the adapter."""


@FORMATS.register("fork")
class Fork(Format):
    """MyTimeMachine's parts; the fork validates with the averaged weights, so they come first."""

    label = "a fork of it"

    @staticmethod
    def detect(content: Content) -> bool:
        return variant_of(content) == "fork"

    @staticmethod
    def read(content: Content, *, ema: bool = True) -> Checkpoint:
        stored, use_ema = weights_of(content), ema and bool(content.get("ema"))
        return checkpoint_of(
            "fork",
            content,
            averaged(stored, content["ema"]) if use_ema else stored,
            ema=use_ema,
            untrained_adapter=plain_options(content.get("opts")).get("coach") != WITH_ADAPTER,
        )


def averaged(state: StateDict, ema: Any) -> dict[str, Tensor]:
    """A copy of `state` in which the shadows of `ema` stand for the raw tensors.

    ema: {name: {decay, shadow}}, a shadow's keys being those of the named part or of the whole.
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
