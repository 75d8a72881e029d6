"""A checkpoint to the ageing model it holds."""

from pathlib import Path

from engine.core.errors import WeightsError
from engine.nets.adapter import Adapter
from engine.nets.encoders.gradual import EncoderSpec, GradualStyleEncoder
from engine.nets.loading import built
from engine.nets.stylegan2.generator import Generator
from engine.nets.timemachine import TimeMachine
from engine.weights.checkpoint import Checkpoint, StateDict

ENCODER_SIZE = 256
NEEDED = ("encoder", "pretrained_encoder", "decoder")


def stamp_of(path: Path) -> str:
    """What changes when a weights file is replaced: its place, size and time of change."""
    told = path.stat()
    return f"{path.resolve()} {told.st_size} {told.st_mtime_ns}"


def time_machine(checkpoint: Checkpoint) -> TimeMachine:
    """The ageing model of a SAM, MyTimeMachine or fork checkpoint, or of one of our own.

    Raises WeightsError for a checkpoint without an ageing prior, and for any key too many, too few
    or of another shape. The networks hold the very tensors of the checkpoint.
    """
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
    adapter = checkpoint.parts.get("adapter")
    if checkpoint.facts.get("adapter_used") is False:
        adapter = None
    return TimeMachine(
        psp=_encoder(checkpoint.part("pretrained_encoder"), size, "pSp's encoder"),
        sam=_encoder(checkpoint.part("encoder"), size, "the ageing encoder"),
        latent_average=checkpoint.latent_avg.float(),
        decoder=Generator.from_state(checkpoint.part("decoder")),
        adapter=Adapter.from_state(adapter) if adapter is not None else None,
    ).eval()


def _encoder(state: StateDict, size: int, name: str) -> GradualStyleEncoder:
    spec = EncoderSpec.of(state, size=size)
    return built(lambda: GradualStyleEncoder(spec), state, name=name)
