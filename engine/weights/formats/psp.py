"""pSp (Richardson et al. 2021), and the layout that SAM, MyTimeMachine and its fork built on it.

The file is `{state_dict, latent_avg, opts}`; the keys of the state dict begin with the names of
pSp's submodules. Some people saved the state dict alone.
"""

from collections.abc import Mapping
from typing import Any, Literal

from torch import Tensor

from engine.core.errors import WeightsError
from engine.weights.checkpoint import Checkpoint, StateDict
from engine.weights.formats.base import FORMATS, Content, Format, has, plain_options, step_of
from engine.weights.formats.base import state_dict as state_dict_of
from engine.weights.layout import average_latent, generator_size, style_width, styles_of

Variant = Literal["psp", "sam", "mytm", "fork"]

PARTS = {
    "encoder": "encoder",
    "pretrained_encoder": "pretrained_encoder",
    "decoder": "decoder",
    "blender": "adapter",
}
"""pSp's submodules and our names for them."""
FORK_ONLY = ("ema", "optimizer", "global_step")
FORK_KEY = "styles.0.convs.8.weight"
"""Only the fork's heads have a fifth convolution here: its first group keeps the resolution."""


def variant_of(content: Content) -> Variant | None:
    """Whose file it is, or None if it is not in pSp's layout."""
    keys = list(map(str, _stored(content)))
    if not has(keys, "encoder.", "decoder.convs.", "decoder.style."):
        return None
    if f"encoder.{FORK_KEY}" in keys or any(key in content for key in FORK_ONLY):
        return "fork"
    if has(keys, "blender."):
        return "mytm"
    return "sam" if has(keys, "pretrained_encoder.") else "psp"


def weights_of(content: Content) -> dict[str, Tensor]:
    """The stored state dict, without the average latent that a bare one may hold."""
    tensors = {key: value for key, value in _stored(content).items() if key != "latent_avg"}
    return state_dict_of(tensors, "state_dict")


def split(state: StateDict) -> dict[str, StateDict]:
    """The parts of a pSp-like state dict; a key of no part is an error."""
    parts: dict[str, dict[str, Tensor]] = {}
    strange: list[str] = []
    for key, tensor in state.items():
        prefix, _, rest = key.partition(".")
        if prefix in PARTS and rest:
            parts.setdefault(PARTS[prefix], {})[rest] = tensor
        else:
            strange.append(key)
    if strange:
        named = ", ".join(f"`{key}`" for key in strange[:8])
        more = f" and {len(strange) - 8} more" if len(strange) > 8 else ""
        raise WeightsError(
            f"holds keys of no known part: {named}{more}",
            hint=f"known parts are {', '.join(PARTS)}",
        )
    return dict(parts)


def checkpoint_of(
    kind: Variant,
    content: Content,
    state: StateDict,
    *,
    ema: bool = False,
    untrained_adapter: bool = False,
) -> Checkpoint:
    """The checkpoint of a pSp-like file whose weights are `state`."""
    parts = split(state)
    decoder, options = parts["decoder"], plain_options(content.get("opts"))
    size = generator_size(decoder)
    latent = content.get("latent_avg", _stored(content).get("latent_avg"))
    return Checkpoint(
        kind=kind,
        parts=parts,
        latent_avg=average_latent(latent, styles_of(size), style_width(decoder)),
        step=step_of(content),
        ema=ema,
        facts={
            "layout": "fork" if FORK_KEY in parts["encoder"] else "published",
            "input_channels": _input_channels(parts["encoder"]),
            "size": size,
            "coach": options.get("coach"),
            "adapter_used": "adapter" in parts and not untrained_adapter,
            "options": options,
        },
    )


def _stored(content: Content) -> Mapping[str, Any]:
    inner = content.get("state_dict", content)
    return inner if isinstance(inner, Mapping) else {}


def _input_channels(state: StateDict) -> int | None:
    """3 for a picture, 4 with an age plane; None where the first convolution is missing."""
    first = state.get("input_layer.0.weight")
    return None if first is None or first.ndim != 4 else int(first.shape[1])


@FORMATS.register("psp")
class Psp(Format):
    """`encoder` (RGB to w+) and `decoder` (StyleGAN2)."""

    label = "pSp"

    @staticmethod
    def detect(content: Content) -> bool:
        return variant_of(content) == "psp"

    @staticmethod
    def read(content: Content, *, ema: bool = True) -> Checkpoint:
        return checkpoint_of("psp", content, weights_of(content))
