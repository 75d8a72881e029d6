"""StyleGAN2 (Karras et al. 2020) as rosinality's PyTorch trainer saves it."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from engine.weights.checkpoint import Checkpoint
from engine.weights.formats.base import (
    FORMATS,
    Content,
    Format,
    has,
    plain_options,
    state_dict,
    step_of,
)
from engine.weights.layout import average_latent, generator_size, style_width, styles_of


def generator_keys(content: Content) -> list[str]:
    """The keys of both generators in a file `{g, g_ema, d}`."""
    states: list[Any] = [content.get(name) for name in ("g_ema", "g")]
    return [str(key) for state in states if isinstance(state, Mapping) for key in state]


def generator_parts(
    content: Content, name: str, *, ema: bool
) -> tuple[dict[str, dict[str, Tensor]], bool]:
    """The generator under `name` and the discriminator; whether the generator is the averaged one.

    The averaged generator is taken with `ema`, and where there is no other.
    """
    use_ema = "g_ema" in content and (ema or "g" not in content)
    chosen = "g_ema" if use_ema else "g"
    parts = {name: state_dict(content[chosen], chosen)}
    if content.get("d") is not None:
        parts["discriminator"] = state_dict(content["d"], "d")
    return parts, use_ema


@FORMATS.register("rosinality")
class Rosinality(Format):
    """`decoder` (the generator) and, where it is kept, `discriminator`."""

    label = "rosinality's StyleGAN2"

    @staticmethod
    def detect(content: Content) -> bool:
        keys = generator_keys(content)
        return has(keys, "style.", "convs.", "to_rgbs.") and not has(keys, "convs_e.")

    @staticmethod
    def read(content: Content, *, ema: bool = True) -> Checkpoint:
        parts, averaged = generator_parts(content, "decoder", ema=ema)
        decoder = parts["decoder"]
        size = generator_size(decoder)
        latent = average_latent(content.get("latent_avg"), styles_of(size), style_width(decoder))
        return Checkpoint(
            kind="rosinality",
            parts=parts,
            latent_avg=latent,
            step=step_of(content),
            ema=averaged,
            facts={"size": size, "options": plain_options(content.get("args"))},
        )
