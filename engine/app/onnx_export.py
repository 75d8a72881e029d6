"""What a run delivers as an ONNX graph, for programs without torch; checked against torch."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from torch import Tensor, nn

from engine.core.atomic import write_bytes
from engine.core.errors import UsageError, WeightsError
from engine.core.regular import read_bytes
from engine.images.saving import tool_version
from engine.inference.anchored import anchors_of, is_agetransformer, transformer_of
from engine.landscapes.inference.render import generator_of, latent_noise
from engine.nets.assemble import time_machine
from engine.nets.loading import frozen
from engine.nets.named import load_age_estimator, load_identity_network, load_landmark_detector
from engine.weights.checkpoint import Checkpoint
from engine.weights.load import read_checkpoint

SUFFIX = ".onnx"
PACKAGES = ("onnx", "onnxscript", "onnxruntime")
MAKER = "tm-toolkit"
"""By which a rerun knows its own file."""
TOLERANCE = 1e-3
"""Largest difference to torch, as a share of the largest value that torch gives (or of 1)."""
SIDE = 128
"""Side in px of the pictures that estimators of the package take."""


@dataclass(frozen=True, slots=True)
class OnnxExport:
    """The inputs of a graph with their shapes, its output's, and its difference to torch."""

    inputs: dict[str, tuple[int, ...]]
    output: tuple[int, ...]
    difference: float


class _Call(nn.Module):
    """A network under one function of it."""

    def __init__(self, net: nn.Module | None, call: Callable[..., Tensor]) -> None:
        super().__init__()
        self.net, self.call = net, call

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.call(*inputs)


def require_onnx(file: Path) -> None:
    """UsageError for a file of another suffix, or where the extra `onnx` is not installed."""
    if file.suffix != SUFFIX:
        raise UsageError(f"`{file}` must end in `{SUFFIX}`")
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        raise UsageError(
            f"ONNX needs {', '.join(missing)}", hint="`pip install 'tm-toolkit[onnx]'`"
        )


def export_onnx(weights: Path, file: Path) -> OnnxExport:
    """Write the network of a weights file as a graph for one picture, in float32.

    Inputs, pictures in [-1, 1] and RGB: `photo` (1, 3, s, s) of all; also `age` (1,) in years of
    an ageing model and `weights` (1, 1, k) of the anchors of an AgeTransformer; `z` (1, n) and `va`
    (1, 2) in 0..1 of landscapes. UsageError as of `require_onnx`; WeightsError for weights whose
    network cannot be exported, or whose graph differs from torch by more than a thousandth.
    """
    require_onnx(file)
    import onnxruntime  # pyright: ignore[reportMissingImports]

    module, inputs = _call_of(read_checkpoint(weights), weights)
    module = frozen(module)
    values = tuple(inputs.values())
    with TemporaryDirectory() as folder, torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter's own deprecations
        wanted = module(*values).numpy()
        graph = Path(folder) / "graph.onnx"
        try:
            program = torch.onnx.export(
                module, values, input_names=list(inputs), dynamo=True, verbose=False
            )
            assert program is not None
            program.model.producer_name, program.model.producer_version = MAKER, tool_version()
            program.save(str(graph))
        except RuntimeError as error:
            reason = str(error.__cause__ or error).strip().split("\n")[-1][:160]
            raise WeightsError(f"`{weights}` cannot be written as ONNX: {reason}") from None
        session = onnxruntime.InferenceSession(str(graph), providers=["CPUExecutionProvider"])
        content = {name: value.numpy() for name, value in inputs.items()}
        output = np.asarray(session.run(None, content)[0])
        difference = float(np.abs(output - wanted).max())
        if not difference <= TOLERANCE * max(float(np.abs(wanted).max()), 1.0):
            raise WeightsError(f"the graph of `{weights}` is off torch by {difference:.3g}")
        write_bytes(file, read_bytes(graph))
    shapes = {name: tuple(value.shape) for name, value in inputs.items()}
    return OnnxExport(shapes, tuple(output.shape), difference)


def _call_of(checkpoint: Checkpoint, file: Path) -> tuple[nn.Module, dict[str, Tensor]]:
    """What is exported, and example inputs by name."""
    cpu, name = torch.device("cpu"), str(file)
    if is_agetransformer(checkpoint):
        net = transformer_of(checkpoint)
        weights = anchors_of(checkpoint).weights(torch.tensor([50.0]))[None]
        return _Call(net, net), {"photo": _picture(net.spec.size), "weights": weights}
    task = checkpoint.task
    if task == "landscape":
        generator = generator_of(checkpoint, cpu)
        for unit in generator.units:
            unit.fix()
        z = latent_noise(0, generator.spec.latent)[None]
        call = _Call(generator, lambda z, va: generator(generator.latents(z), va))
        return call, {"z": z, "va": torch.tensor([[0.8, 0.3]])}
    if task == "identity":
        identity = load_identity_network(name, cpu)
        return _Call(None, identity.embed), {"photo": _picture(SIDE)}
    if task in ("age", "age_evaluator"):
        estimator = load_age_estimator(name, cpu)
        return _Call(None, estimator.years), {"photo": _picture(SIDE)}
    if task == "landmarks":
        detector = load_landmark_detector(name, cpu)
        return _Call(None, detector.points), {"photo": _picture(SIDE)}
    machine = time_machine(checkpoint)
    call = _Call(machine, lambda photo, age: machine.decode(machine.codes(photo, age)))
    return call, {"photo": _picture(machine.psp.shape.size), "age": torch.tensor([50.0])}


def _picture(side: int) -> Tensor:
    """A picture (1, 3, side, side) with something in it."""
    ramp = torch.linspace(-1, 1, side)
    planes: Sequence[Tensor] = (ramp.expand(side, side), ramp[:, None].expand(side, side))
    return torch.stack([planes[0], planes[1], planes[0] * planes[1]])[None].contiguous()
