"""One aligned face to portraits at many ages, with as few passes as possible."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from engine.evaluators.domain import TrainingDomain
from engine.inference.edit import Edit, layer_strengths, mixed, moved
from engine.inference.morph import interpolate
from engine.nets.timemachine import TimeMachine
from engine.runtime.device import Compute
from engine.runtime.memory import in_batches

Noise = Literal["stored", "content"]


@dataclass(frozen=True, slots=True)
class Codes:
    """A photo's w+ (1, n, width) at its own age, and (ages, n, width) at the targets."""

    inverted: Tensor
    targets: Tensor


@dataclass(frozen=True, slots=True)
class CodedFace:
    """One face of a `Reager`."""

    reager: "Reager"
    codes: Codes
    content: int

    def pictures(self) -> Iterator[Tensor]:
        yield from self.reager.pictures(self.codes.targets, self.content)

    def plain(self) -> Tensor | None:
        (picture,) = self.reager.pictures(self.codes.inverted, self.content)
        return picture

    def frames(self, between: int) -> Iterator[Tensor]:
        for w_plus in interpolate(self.codes.targets, between):
            yield from self.reager.pictures(w_plus[None], self.content)


class Reager:
    """Ages faces with a model of latent codes; holds no state of a photo between calls."""

    def __init__(
        self,
        machine: TimeMachine,
        compute: Compute,
        *,
        edit: Edit | None = None,
        strength: float = 1.0,
        noise: Noise = "stored",
        batch: int = 4,
        shrunk: Callable[[int], None] | None = None,
        training_domain: TrainingDomain | None = None,
    ) -> None:
        self.machine = machine.to(compute.device).eval().requires_grad_(False)
        self.compute = compute
        self.edit = edit if edit is not None else Edit()
        self.strength = strength
        self.noise: Noise = noise
        self.batch = batch
        self.shrunk = shrunk
        self.training_domain = training_domain if training_domain is not None else TrainingDomain()

    @property
    def size(self) -> int:
        """Side in pixels of the pictures that the generator makes."""
        return self.machine.decoder.shape.size

    @property
    def input_size(self) -> int:
        """Side in pixels of the aligned face that the encoders read."""
        return self.machine.psp.shape.size

    def require(self, face: Tensor) -> None:
        """PictureError for a face (1, 3, s, s) that is out of domain."""
        self.training_domain.require(self.machine, face)

    def aged(
        self, face: Tensor, ages: Sequence[float], content: int, other: Tensor | None = None
    ) -> CodedFace:
        """A face (1, 3, s, s) at ages in years."""
        return CodedFace(self, self.codes(face, ages, other), content)

    def mixing_codes(self, face_of: Callable[[Path], Tensor]) -> Tensor | None:
        """The codes (1, n, width) of style mixing: a reference's inversion, or a random draw."""
        mixing = self.edit.mixing
        if mixing is None:
            return None
        if mixing.reference is None:
            return self.drawn(mixing.seed)
        return self.inversion(face_of(Path(mixing.reference)))

    @torch.inference_mode()
    def codes(self, face: Tensor, ages: Sequence[float], other: Tensor | None = None) -> Codes:
        """Codes of a face (1, 3, s, s) in [-1, 1]: one pSp pass, and one SAM pass for each age.

        `other` (1, n, width): the codes of the recipe's style mixing.
        """
        face = face.to(self.compute.device)
        with self.compute.precision():
            inverted = self.machine.invert(face).float()

        def aged(some: Sequence[float]) -> Sequence[Tensor]:
            years = torch.tensor(list(some), device=face.device)
            with self.compute.precision():
                return list(self.machine.codes(face, years, inverted=inverted).float())

        raw = torch.stack(list(in_batches(aged, ages, batch=self.batch, shrunk=self.shrunk)))
        shares = layer_strengths(raw.shape[1], self.strength, self.edit)
        targets = moved(inverted, raw, shares)
        if self.edit.mixing is not None and other is not None:
            targets = mixed(targets, other.to(targets), self.edit.mixing)
        return Codes(inverted, targets)

    @torch.inference_mode()
    def inversion(self, face: Tensor) -> Tensor:
        """The plain inversion (1, n, width) of a face, for mixing."""
        with self.compute.precision():
            return self.machine.invert(face.to(self.compute.device)).float()

    @torch.inference_mode()
    def drawn(self, seed: int) -> Tensor:
        """A random w (1, n, width) of the generator's own, for mixing."""
        draw = torch.Generator().manual_seed(seed)
        return self.machine.decoder.random_codes(1, draw)

    def pictures(self, w_plus: Tensor, content: int) -> Iterator[Tensor]:
        """Decode codes (b, n, width) one after another to (3, size, size), about [-1, 1].

        `content` seeds the noise where it is not stored with the weights: the same face has the
        same noise at every age.
        """
        planes = self._planes(content)

        def decoded(some: Sequence[Tensor]) -> Sequence[Tensor]:
            with torch.inference_mode(), self.compute.precision():
                return list(self.machine.decode(torch.stack(list(some)), noise=planes).float())

        yield from in_batches(decoded, list(w_plus), batch=self.batch, shrunk=self.shrunk)

    def _planes(self, content: int) -> list[Tensor]:
        if self.noise == "stored":
            return self.machine.decoder.stored_noise()
        draw = torch.Generator().manual_seed(content)
        return self.machine.decoder.fresh_noise(1, draw)
