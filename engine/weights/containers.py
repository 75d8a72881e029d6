"""The published checkpoint containers, each recognised by what it holds, never by its name."""

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from engine.core.errors import WeightsError
from engine.weights.averaged import averaged
from engine.weights.checkpoint import Checkpoint, StateDict
from engine.weights.layout import (
    average_latent,
    encoder_layout,
    generator_size,
    has,
    input_channels,
    style_width,
    styles_of,
)
from engine.weights.manifest import Kind

Content = Mapping[str, Any]

# pSp's submodules and our names for them.
PSP_PARTS = {
    "encoder": "encoder",
    "pretrained_encoder": "pretrained_encoder",
    "decoder": "decoder",
    "blender": "adapter",
}
FORK_ONLY = ("ema", "optimizer", "global_step")
# MyTimeMachine renders through its blender, except where these coaches trained the encoder itself.
WITHOUT_ADAPTER = ("orig", "orig_nn", "tune_no_psp", "tune_psp")


@dataclass(frozen=True, slots=True)
class Container:
    """One way in which networks were published: how it is recognised and how it is read."""

    holds: Callable[[Content], bool]
    read: Callable[[Content, bool], Checkpoint]


def read_container(content: Any, *, ema: bool = True) -> Checkpoint:
    """Recognise what torch or safetensors read, and take its parts out.

    `ema` asks for averaged weights where the file has both. WeightsError if nothing fits.
    """
    table = vars(content) if isinstance(content, argparse.Namespace) else content
    if not isinstance(table, Mapping):
        raise _unknown(f"a {type(content).__name__}")
    table = {str(key): value for key, value in table.items()}
    for container in CONTAINERS:
        if container.holds(table):
            return container.read(table, ema)
    raise _unknown(f"keys such as {', '.join(f'`{key}`' for key in sorted(table)[:4]) or 'none'}")


def _unknown(found: str) -> WeightsError:
    return WeightsError(
        f"holds {found}: no checkpoint that is known here",
        hint="known are SAM, pSp, rosinality's StyleGAN2, IR-SE50, DEX, MyTimeMachine and its "
        "fork, AgeTransformer, and files of our own",
    )


def _state(value: Any, what: str) -> dict[str, Tensor]:
    """A state dict as it should be: text to tensors."""
    if not isinstance(value, Mapping):
        raise WeightsError(f"`{what}` is {type(value).__name__}, not a state dict")
    odd = [str(key) for key, tensor in value.items() if not isinstance(tensor, Tensor)]
    if odd:
        raise WeightsError(f"`{what}` holds values that are no tensors: {', '.join(odd[:4])}")
    return {str(key): tensor for key, tensor in value.items()}


# pSp and what was built on it: SAM, MyTimeMachine, the fork.


def _psp_state(content: Content) -> Content:
    """The state dict of a pSp-like file, also where someone saved it without its container."""
    inner = content.get("state_dict", content)
    return inner if isinstance(inner, Mapping) else {}


def _is_psp(content: Content) -> bool:
    return has(map(str, _psp_state(content)), "encoder.") and has(
        map(str, _psp_state(content)), "decoder."
    )


def _read_psp(content: Content, ema: bool) -> Checkpoint:
    bare = "state_dict" not in content
    loose = {key: value for key, value in _psp_state(content).items() if key != "latent_avg"}
    stored = _state(loose, "state_dict")
    use_ema = ema and bool(content.get("ema"))
    chosen = averaged(stored, content["ema"]) if use_ema else stored
    parts, before = _split(chosen), _split(stored)
    options = _plain(content.get("opts"))
    size = generator_size(parts["decoder"])
    kind = _psp_kind(content, parts)
    coach = options.get("coach")
    latent = content.get("latent_avg", _psp_state(content).get("latent_avg") if bare else None)
    return Checkpoint(
        kind=kind,
        parts=parts,
        latent_avg=average_latent(latent, styles_of(size), style_width(parts["decoder"])),
        step=_step(content),
        ema=use_ema,
        raw={name: before[name] for name in parts if _differ(parts[name], before[name])},
        facts={
            "layout": encoder_layout(parts["encoder"]),
            "input_channels": input_channels(parts["encoder"]),
            "size": size,
            "coach": coach,
            "adapter_used": _uses_adapter(kind, parts, coach),
            "options": options,
        },
    )


def _split(state: StateDict) -> dict[str, StateDict]:
    """The parts of a pSp-like state dict; a key of no part is an error."""
    parts: dict[str, dict[str, Tensor]] = {}
    strange: list[str] = []
    for key, tensor in state.items():
        prefix, _, rest = key.partition(".")
        if prefix in PSP_PARTS and rest:
            parts.setdefault(PSP_PARTS[prefix], {})[rest] = tensor
        else:
            strange.append(key)
    if strange:
        named = ", ".join(f"`{key}`" for key in strange[:8])
        more = f" and {len(strange) - 8} more" if len(strange) > 8 else ""
        raise WeightsError(
            f"holds keys of no known part: {named}{more}",
            hint=f"known parts are {', '.join(PSP_PARTS)}",
        )
    return dict(parts)


def _psp_kind(content: Content, parts: Mapping[str, StateDict]) -> Kind:
    if encoder_layout(parts["encoder"]) == "fork" or any(key in content for key in FORK_ONLY):
        return "fork"
    if "adapter" in parts:
        return "mytm"
    return "sam" if "pretrained_encoder" in parts else "psp"


def _uses_adapter(kind: Kind, parts: Mapping[str, StateDict], coach: Any) -> bool:
    """Whether the file's own inference goes through its adapter; else it is untrained noise."""
    if "adapter" not in parts:
        return False
    return coach == "delta" if kind == "fork" else coach not in WITHOUT_ADAPTER


def _differ(one: StateDict, other: StateDict) -> bool:
    return any(one[key] is not other[key] for key in one)


# Generators, judges, AgeTransformer.


def _nested(content: Content, *names: str) -> list[str]:
    found = [content[name] for name in names if isinstance(content.get(name), Mapping)]
    return [str(key) for state in found for key in state]


def _is_agetransformer(content: Content) -> bool:
    return has(_nested(content, "g_ema", "g"), "convs_e.", "layers.")


def _is_rosinality(content: Content) -> bool:
    keys = _nested(content, "g_ema", "g")
    return has(keys, "style.", "convs.", "to_rgbs.") and not has(keys, "convs_e.")


def _generator_parts(content: Content, name: str, ema: bool) -> tuple[dict[str, StateDict], bool]:
    """The generator under `name` (averaged if there and asked for) and the discriminator."""
    use_ema = "g_ema" in content and (ema or "g" not in content)
    chosen = "g_ema" if use_ema else "g"
    parts: dict[str, StateDict] = {name: _state(content[chosen], chosen)}
    if content.get("d") is not None:
        parts["discriminator"] = _state(content["d"], "d")
    return parts, use_ema


def _read_rosinality(content: Content, ema: bool) -> Checkpoint:
    parts, used = _generator_parts(content, "decoder", ema)
    size = generator_size(parts["decoder"])
    raw = {"decoder": _state(content["g"], "g")} if used and "g" in content else {}
    return Checkpoint(
        kind="rosinality",
        parts=parts,
        latent_avg=average_latent(
            content.get("latent_avg"), styles_of(size), style_width(parts["decoder"])
        ),
        step=_step(content),
        ema=used,
        raw=raw,
        facts={"size": size, "options": _plain(content.get("args"))},
    )


def _read_agetransformer(content: Content, ema: bool) -> Checkpoint:
    parts, used = _generator_parts(content, "generator", ema)
    raw = {"generator": _state(content["g"], "g")} if used and "g" in content else {}
    return Checkpoint("agetransformer", parts, step=_step(content), ema=used, raw=raw)


def _is_ir_se50(content: Content) -> bool:
    return has(content, "input_layer.", "body.0.", "body.23.", "output_layer.")


def _read_ir_se50(content: Content, ema: bool) -> Checkpoint:
    return Checkpoint("ir_se50", {"identity": _state(content, "the file")})


def _dex_state(content: Content) -> dict[str, Any]:
    inner = content.get("state_dict", content)
    return (
        {str(k).replace("-", "_"): v for k, v in inner.items()}
        if isinstance(inner, Mapping)
        else {}
    )


def _is_dex(content: Content) -> bool:
    return has(_dex_state(content), "conv1_1.", "conv5_3.", "fc8_101.")


def _read_dex(content: Content, ema: bool) -> Checkpoint:
    return Checkpoint("dex", {"age": _state(_dex_state(content), "state_dict")})


def _step(content: Content) -> int | None:
    step = content.get("global_step", content.get("step"))
    return step if isinstance(step, int) and not isinstance(step, bool) else None


def _plain(options: Any) -> dict[str, Any]:
    """The training options that are plain values, from a dict or a Namespace."""
    table = vars(options) if isinstance(options, argparse.Namespace) else options
    if not isinstance(table, Mapping):
        return {}
    plain = (str, int, float, bool, type(None))
    return {str(key): value for key, value in table.items() if isinstance(value, plain)}


CONTAINERS = (
    Container(_is_psp, _read_psp),
    Container(_is_agetransformer, _read_agetransformer),
    Container(_is_rosinality, _read_rosinality),
    Container(_is_ir_se50, _read_ir_se50),
    Container(_is_dex, _read_dex),
)
"""In the order in which they are tried."""
