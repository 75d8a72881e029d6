"""Every network that a part of a weights file may be, recognised by its keys: the only place."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from torch import nn

from engine.core.errors import WeightsError
from engine.nets.age.dex_vgg import Dex
from engine.nets.agetransformer.v1 import PublishedTransformer
from engine.nets.agetransformer.v2 import SlimTransformer
from engine.nets.encoders.gradual import GradualStyleEncoder
from engine.nets.identity.ir_se50 import ArcFace
from engine.nets.nano.age import NanoAge
from engine.nets.nano.age_evaluator import NanoAgeEvaluator
from engine.nets.nano.age_ordinal import NanoAgeOrdinal
from engine.nets.nano.age_tokens import NanoAgeTokens
from engine.nets.nano.ageing import NanoAgeing
from engine.nets.nano.encoder import NanoEncoder
from engine.nets.nano.generator import NanoGenerator
from engine.nets.nano.identity import NanoIdentity
from engine.nets.nano.landmarks import NanoLandmarks
from engine.nets.stylegan2.generator import Generator
from engine.weights.checkpoint import StateDict

Role = Literal["identity", "age", "landmarks", "encoder", "decoder", "agetransformer"]


@dataclass(frozen=True, slots=True)
class Architecture:
    """A network, what it serves as, and a key that those listed after it do not have."""

    name: str
    role: Role
    key: str
    build: Callable[..., nn.Module]
    """From the state dict, and keyword arguments for what leaves no trace in it."""


ARCHITECTURES = (
    Architecture("nano-identity", "identity", "embed.weight", NanoIdentity.from_state),
    Architecture("ir-se50", "identity", "output_layer.3.weight", ArcFace.from_state),
    Architecture("nano-age", "age", "gather.weight", NanoAge.from_state),
    Architecture("nano-age-ordinal", "age", "gaps", NanoAgeOrdinal.from_state),
    Architecture("nano-age-evaluator", "age", "hidden.1.weight", NanoAgeEvaluator.from_state),
    Architecture("nano-age-tokens", "age", "places", NanoAgeTokens.from_state),
    Architecture("dex", "age", "fc8_101.weight", Dex.from_state),
    Architecture("nano-landmarks", "landmarks", "place.weight", NanoLandmarks.from_state),
    Architecture("nano-ageing", "encoder", "unfolds.0.up.weight", NanoAgeing.from_state),
    Architecture("nano-encoder", "encoder", "amounts.weight", NanoEncoder.from_state),
    Architecture("psp", "encoder", "styles.0.linear.weight", GradualStyleEncoder.from_state),
    Architecture("nano-generator", "decoder", "coarse_1.style.weight", NanoGenerator.from_state),
    Architecture("stylegan2", "decoder", "input.input", Generator.from_state),
    Architecture("v1", "agetransformer", "convs_e.0.0.weight", PublishedTransformer.from_state),
    Architecture("v2", "agetransformer", "anchors", SlimTransformer.from_state),
)


def architecture_of(state: StateDict, role: Role) -> Architecture:
    """The architecture whose weights these are; WeightsError names those known for the role."""
    known = [one for one in ARCHITECTURES if one.role == role]
    for one in known:
        if one.key in state:
            return one
    names = ", ".join(f"`{one.name}`" for one in known)
    raise WeightsError(
        f"these weights are of no network that serves as {role}",
        hint=f"known are {names}; check that the file is complete",
    )


def network_of(state: StateDict, role: Role, **options: Any) -> nn.Module:
    """The network of these weights, in eval mode, holding the very tensors of `state`.

    options: what the architecture's `from_state` needs beside the tensors. WeightsError names
    every missing, unexpected and misshapen key.
    """
    return architecture_of(state, role).build(state, **options)
