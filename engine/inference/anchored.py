"""Faces at anchor ages, and between them, by an AgeTransformer of either version."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from engine.core.errors import UsageError, WeightsError
from engine.data.anchors import Anchors
from engine.evaluators.domain import TrainingDomain
from engine.inference.morph import interpolate
from engine.nets.agetransformer.v1 import PublishedTransformer
from engine.nets.agetransformer.v2 import SlimTransformer
from engine.nets.architectures import architecture_of
from engine.nets.loading import frozen
from engine.nets.nano.encoder import NanoEncoder
from engine.nets.nano.trunk import resized
from engine.runtime.device import Compute
from engine.runtime.memory import in_batches
from engine.weights.checkpoint import Checkpoint
from engine.weights.find import find_weights
from engine.weights.load import read_checkpoint

TASK, PART = "agetransformer", "generator"
DOMAIN_ENCODER = "nano-generator"
"""The weights whose encoder classifies faces as drawn or photographed."""


def is_agetransformer(checkpoint: Checkpoint) -> bool:
    """Whether a checkpoint, published or of our own, draws anchor ages."""
    return checkpoint.task == TASK


def anchors_of(checkpoint: Checkpoint) -> Anchors:
    """The anchors of an AgeTransformer; the published file's are the classes of FFHQ-Aging.

    UsageError for other weights, which have no ages of their own.
    """
    if not is_agetransformer(checkpoint):
        raise UsageError("no target age was given", hint="write them as `20,40,60`")
    if "age_anchors" not in checkpoint.facts and checkpoint.kind == TASK:
        return Anchors.ffhq_aging()
    return Anchors.of(checkpoint.facts)


def transformer_of(checkpoint: Checkpoint) -> PublishedTransformer | SlimTransformer:
    """The network of a checkpoint, by its keys; WeightsError names every key that does not fit."""
    state, facts = checkpoint.part(PART), checkpoint.facts
    architecture = architecture_of(state, TASK)
    sides = {"size": int(facts.get("size", 128)), "window": int(facts.get("window", 8))}
    net = architecture.build(state, **sides if architecture.name == "v2" else {})
    assert isinstance(net, PublishedTransformer | SlimTransformer)
    classes = net.spec.classes if isinstance(net, PublishedTransformer) else net.spec.anchors
    anchors = anchors_of(checkpoint)
    if len(anchors) != classes:
        raise WeightsError(f"these weights draw {classes} ages, and name {len(anchors)} anchors")
    return net


@dataclass(frozen=True, slots=True)
class AnchoredFace:
    """One face of an `AnchorAger`: the weights of its k anchors (ages, k), and the decoder."""

    ager: "AnchorAger"
    weights: Tensor
    draw: Callable[[Tensor], Tensor]
    """Weights (n, k) to pictures (n, 3, s, s)."""

    def pictures(self) -> Iterator[Tensor]:
        yield from self._drawn(self.weights)

    def plain(self) -> Tensor | None:
        return None

    def frames(self, between: int) -> Iterator[Tensor]:
        yield from self._drawn(torch.stack(list(interpolate(self.weights, between))))

    def _drawn(self, weights: Tensor) -> Iterator[Tensor]:
        def batch(rows: Sequence[Tensor]) -> Sequence[Tensor]:
            return list(self.draw(torch.stack(list(rows))))

        ager = self.ager
        yield from in_batches(batch, list(weights), batch=ager.batch, shrunk=ager.shrunk)


class AnchorAger:
    """Ages faces with an AgeTransformer: version 2 encodes a face once for all its ages."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        compute: Compute,
        *,
        batch: int = 10,
        shrunk: Callable[[int], None] | None = None,
    ) -> None:
        self.net = frozen(transformer_of(checkpoint)).to(compute.device)
        self.anchors = anchors_of(checkpoint)
        self.compute = compute
        self.training_domain = TrainingDomain.of(checkpoint)
        self.batch = batch
        self.shrunk = shrunk
        self._domain_encoder: NanoEncoder | None = None

    @property
    def size(self) -> int:
        """Side in pixels of the pictures, and of the face they are made from."""
        return self.net.spec.size

    @property
    def input_size(self) -> int:
        """Side in pixels of the aligned face."""
        return self.net.spec.size

    def beyond(self, ages: Sequence[float]) -> list[float]:
        """The ages that lie outside the anchors: they are drawn at the nearest one."""
        low, high = self.anchors.years[0], self.anchors.years[-1]
        return [age for age in ages if not low <= age <= high]

    def require(self, face: Tensor) -> None:
        """PictureError for a photograph, where the model was trained on drawn portraits."""
        if self.training_domain.ood_threshold is None:
            return
        if self._domain_encoder is None:
            state = read_checkpoint(find_weights(DOMAIN_ENCODER)).part("encoder")
            self._domain_encoder = frozen(NanoEncoder.from_state(state)).to(self.compute.device)
        encoder = self._domain_encoder
        self.training_domain.require_in_domain(
            encoder, resized(face.to(self.compute.device), encoder.spec.base.size)
        )

    def mixing_codes(self, face_of: Callable[[Path], Tensor]) -> Tensor | None:
        return None

    @torch.inference_mode()
    def aged(
        self, face: Tensor, ages: Sequence[float], content: int, other: Tensor | None = None
    ) -> AnchoredFace:
        """A face (1, 3, s, s) at ages in years; its pictures are computed when iterated."""
        device, net = self.compute.device, self.net
        face = face.to(device)
        weights = self.anchors.weights(torch.tensor(list(ages), device=device))
        if isinstance(net, SlimTransformer):
            with self.compute.precision():
                encoding = net.encode(face)

            def draw(some: Tensor) -> Tensor:
                with torch.inference_mode(), self.compute.precision():
                    return net.decode(encoding, some[None])[0].float()
        else:

            def draw(some: Tensor) -> Tensor:
                with torch.inference_mode(), self.compute.precision():
                    return net(face, some[None])[0].float()

        return AnchoredFace(self, weights, draw)
