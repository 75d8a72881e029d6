"""The networks of an unpaired prior: those of an earlier one, or new on a generator's encoder."""

from typing import Any, cast

import torch

from engine.core.errors import WeightsError
from engine.core.progress import Progress
from engine.data.portraits import PortraitData, PortraitSet, rendered
from engine.nets.architectures import network_of
from engine.nets.assemble import ENCODER_SIZE, time_machine
from engine.nets.encoders.gradual import GradualStyleEncoder
from engine.nets.nano.ageing import NanoAgeing, NanoAgeingSpec
from engine.nets.nano.encoder import OOD_THRESHOLD, NanoEncoder
from engine.nets.nano.generator import NanoGenerator
from engine.nets.style import StyleDecoder, StyleEncoder
from engine.nets.timemachine import TimeMachine
from engine.training.photos import Photos, SplitPhotos
from engine.weights.checkpoint import Checkpoint
from engine.weights.find import find_weights
from engine.weights.load import read_checkpoint

KEPT = ("domain", "ood_threshold")
"""Facts that a prior takes over from the one that it began with."""


def earlier_machine(start: str) -> tuple[TimeMachine, dict[str, Any]]:
    """The model of an earlier prior, SAM's or one of ours, to be trained on; and its facts."""
    checkpoint = read_checkpoint(find_weights(start))
    machine = time_machine(checkpoint).with_trained_encoder()
    return machine, {key: checkpoint.facts[key] for key in KEPT if key in checkpoint.facts}


def new_machine(
    generator: str, widths: tuple[int, ...], summary: int
) -> tuple[TimeMachine, dict[str, Any]]:
    """A model whose prior changes nothing yet, on the encoder and decoder of a generator.

    generator: the nano generator or pSp, by name, run or file; widths, summary: of a nano prior.
    """
    checkpoint = read_checkpoint(find_weights(generator))
    decoder = cast("StyleDecoder", network_of(checkpoint.part("decoder", copy=True), "decoder"))
    state = checkpoint.part("encoder", copy=True)
    psp = cast("StyleEncoder", network_of(state, "encoder", **_options(checkpoint)))
    ageing: StyleEncoder
    if isinstance(psp, NanoEncoder) and isinstance(decoder, NanoGenerator):
        spec = decoder.spec
        ageing = NanoAgeing(NanoAgeingSpec(spec.base, spec.style_width, widths, summary))
        ageing.base.load_state_dict(psp.base.state_dict())
        facts: dict[str, Any] = {"domain": "portraits", "ood_threshold": OOD_THRESHOLD}
        average = torch.zeros(spec.n_latent, spec.style_width)
    elif isinstance(psp, GradualStyleEncoder) and checkpoint.latent_avg is not None:
        ageing, average, facts = widened(psp), checkpoint.latent_avg.float(), {"domain": "photos"}
    else:
        raise WeightsError(
            f"`{generator}` holds no encoder and decoder that a prior can be trained on",
            hint="name the nano generator, pSp, or begin with an earlier prior by `start`",
        )
    machine = TimeMachine(psp=psp, sam=ageing, latent_average=average, decoder=decoder)
    return machine.with_trained_encoder(), facts


def widened(psp: GradualStyleEncoder) -> GradualStyleEncoder:
    """A copy of pSp's encoder that takes the plane of the age, and whose offsets are 0 at first.

    So it begins with the features of a face, which a plane of zeros does not disturb.
    """
    state = {key: tensor.clone() for key, tensor in psp.state_dict().items()}
    first = state["input_layer.0.weight"]
    state["input_layer.0.weight"] = torch.cat([first, torch.zeros_like(first[:, :1])], dim=1)
    for key in state:
        if key.startswith("styles.") and ".linear." in key:
            state[key].zero_()
    return GradualStyleEncoder.from_state(state, size=psp.spec.size)


def drawn(data: PortraitData, progress: Progress) -> SplitPhotos:
    """The renders of a plan as if nobody knew which belong together."""
    return SplitPhotos(*(_photos(rendered(one, progress)) for one in (data.train, data.validation)))


def _photos(portraits: PortraitSet) -> Photos:
    names = tuple(f"{row}.png" for row in range(len(portraits)))
    return Photos(portraits.pictures, portraits.ages, names, portraits.landmarks)


def _options(checkpoint: Checkpoint) -> dict[str, Any]:
    gradual = "input_layer.0.weight" in checkpoint.parts["encoder"]
    return {"size": int(checkpoint.facts.get("encoder_size", ENCODER_SIZE))} if gradual else {}
