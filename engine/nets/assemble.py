"""A checkpoint to the ageing model it holds."""

from dataclasses import replace
from pathlib import Path
from typing import cast

import torch

from engine.core.digest import file_sha256
from engine.core.errors import WeightsError
from engine.nets.adapter import Adapter
from engine.nets.architectures import architecture_of, network_of
from engine.nets.encoders.gradual import EncoderSpec, GradualStyleEncoder
from engine.nets.style import StyleDecoder, StyleEncoder
from engine.nets.stylegan2.generator import Generator
from engine.nets.stylegan2.spec import GeneratorSpec, widths
from engine.nets.timemachine import TimeMachine
from engine.weights.checkpoint import Checkpoint, StateDict
from engine.weights.find import find_weights
from engine.weights.load import read_checkpoint

ENCODER_SIZE = 256
NEEDED = ("encoder", "pretrained_encoder", "decoder")


def stamp_of(path: Path) -> str:
    """What changes when a weights file is replaced: its place, size and time of change."""
    status = path.stat()
    return f"{path.resolve()} {status.st_size} {status.st_mtime_ns}"


def time_machine(checkpoint: Checkpoint) -> TimeMachine:
    """The ageing model of a SAM, MyTimeMachine or fork checkpoint, or of one of our own.

    Raises WeightsError for a checkpoint without an ageing prior, and for any key too many, too few
    or of another shape. The networks hold the very tensors of the checkpoint.
    """
    if "prior" in checkpoint.facts:
        checkpoint = on_its_prior(checkpoint)
    absent = [name for name in NEEDED if name not in checkpoint.parts]
    if absent:
        raise WeightsError(
            f"these weights are of kind `{checkpoint.kind}` and cannot age a face: "
            f"they have no {', '.join(f'`{name}`' for name in absent)}",
            hint="give a SAM, MyTimeMachine or fork checkpoint, or a run of tm",
        )
    if checkpoint.latent_avg is None:
        raise WeightsError("these weights have no `latent_avg`, which the codes are offsets from")
    size = int(checkpoint.facts.get("encoder_size", ENCODER_SIZE))
    adapter = checkpoint.part("adapter") if "adapter" in checkpoint.parts else None
    if checkpoint.facts.get("adapter_used") is False:
        adapter = None
    return TimeMachine(
        psp=_encoder(checkpoint.part("pretrained_encoder"), size),
        sam=_encoder(checkpoint.part("encoder"), size),
        latent_average=checkpoint.latent_avg.float(),
        decoder=cast("StyleDecoder", network_of(checkpoint.part("decoder"), "decoder")),
        adapter=Adapter.from_state(adapter) if adapter is not None else None,
        encoder=_trained(checkpoint, size),
    ).eval()


def published_machine() -> TimeMachine:
    """The shapes of SAM as it was published (1024 px), on the `meta` device: no memory, no values.

    For counting what a training would take before its weights are here.
    """
    spec = GeneratorSpec(1024, widths(1024))
    with torch.device("meta"):
        return TimeMachine(
            psp=GradualStyleEncoder(EncoderSpec(3, spec.n_latent)),
            sam=GradualStyleEncoder(EncoderSpec(4, spec.n_latent)),
            latent_average=torch.zeros(spec.n_latent, spec.style_width),
            decoder=Generator(spec),
        )


def _trained(checkpoint: Checkpoint, size: int) -> StyleEncoder | None:
    """The encoder that a personal run trained, if it did."""
    named = "trained_encoder"
    state = checkpoint.part(named) if named in checkpoint.parts else None
    return None if state is None else _encoder(state, size)


def on_its_prior(checkpoint: Checkpoint) -> Checkpoint:
    """What a personal run trained, laid over the frozen prior that its facts name."""
    named = checkpoint.facts["prior"]
    path = Path(named.get("path", ""))
    if not path.is_file() or file_sha256(path) != named["sha256"]:
        path = find_weights(named["name"])
    if file_sha256(path) != named["sha256"]:
        raise WeightsError(
            f"these weights need the prior `{named['name']}`, and `{path}` is another file now",
            hint="put the old file back, or train again; `tm weights export` keeps both in one",
        )
    prior = read_checkpoint(path)
    parts = {**prior.parts, **checkpoint.parts}
    facts = {**prior.facts, **checkpoint.facts}
    return replace(checkpoint, parts=parts, latent_avg=prior.latent_avg, facts=facts)


def _encoder(state: StateDict, size: int) -> StyleEncoder:
    architecture = architecture_of(state, "encoder")
    options = {"size": size} if architecture.name == "psp" else {}
    return cast("StyleEncoder", architecture.build(state, **options))
