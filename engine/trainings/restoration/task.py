"""Train the inversion of degradations: upscaling of patches, or restoration of whole faces."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from engine.core.numbers import AGE_CAP, Real
from engine.core.progress import Progress
from engine.data.degradation import Degradation, degraded
from engine.data.jitter import flipped
from engine.data.landscapes import rendered as rendered_landscapes
from engine.data.mixed_worlds import CleanPictures, MixedData
from engine.data.portraits import rendered
from engine.images.ranges import to_pixels
from engine.images.sheet import contact_sheet
from engine.losses.pixel import gradient_l1_of_each, l1_of_each
from engine.losses.texture import texture_l1, texture_strength
from engine.metrics.pixels import psnr
from engine.nets.nano.discriminator import NanoDiscriminator
from engine.nets.protocols import AgeEstimator, Distance
from engine.runtime.draws import Draws
from engine.training.task import Batch, Best, Nets, StepContext, Task, Term
from engine.trainings.adversarial import REUSED, AdversarialLoss, PortraitAdversary
from engine.trainings.networks import modules_of
from engine.weights.checkpoint import Checkpoint

Measure = Callable[[Tensor, Tensor], Tensor]

SHOWN, BATCH = 5, 16
VALIDATION_SEED = 11
"""Seed of the degradations of the validation: the same at every one."""


class RestorationLoss(AdversarialLoss):
    """Weights of the losses beside the pixel error, which has 1; 0 leaves a loss out."""

    edges: Real = Field(default=0.5, ge=0)
    relative: Real = Field(default=0.0, ge=0)
    """If above 0: pixel and edge errors of a sample are divided by those of its input, enlarged by
    bicubic interpolation, plus this (2 is the range of the pictures). A sample that interpolation
    enlarges well then weighs as much as a spoilt one: the loss is about dB gained."""
    texture: Real = Field(default=0.02, ge=0)
    perceptual: Real = Field(default=0.0, ge=0)
    age: Real = Field(default=0.0, ge=0)
    """Of the squared error of the estimated age, in centuries."""
    adversarial: Real = Field(default=0.0, ge=0)
    matching: Real = Field(default=0.0, ge=0)


class RestorationTask(Task):
    """Degraded pictures in, clean ones out, larger by `scale`.

    upscaler: a frozen network, (b, 3, h, w) to twice the size in [0, 1], whose output every other
    degraded picture is, as in an enhancement chain; discriminator: used where its losses have
    weight, as in GFPGAN (Wang et al. 2021, 3.4); perceptual: a distance between portraits by frozen
    networks; age: an estimator, whose estimate for the clean face is the target.
    """

    def __init__(
        self,
        net: nn.Module,
        part: str,
        data: MixedData,
        degradation: Degradation,
        loss: RestorationLoss,
        *,
        scale: int,
        patch: int,
        upscaler: nn.Module | None = None,
        discriminator: NanoDiscriminator | None = None,
        perceptual: Distance | None = None,
        age: AgeEstimator | None = None,
    ) -> None:
        self.net = net.to(memory_format=torch.channels_last)
        self.part, self.scale, self.patch = part, scale, patch
        self.parts = {part: net}
        self.upscaler, self.perceptual, self.age = upscaler, perceptual, age
        self.frozen = modules_of({"perceptual": perceptual, "age": age})
        if upscaler is not None:
            self.frozen["upscaler"] = upscaler
        self.optimizer_steps = {"main": (part,)}
        self.adversary = (
            PortraitAdversary(discriminator, loss)
            if discriminator is not None and loss.needs_discriminator
            else None
        )
        if self.adversary is not None:
            # The discriminator comes second and reuses the output: one pass a step.
            self.parts["discriminator"] = self.adversary.discriminator.to(
                memory_format=torch.channels_last
            )
            self.optimizer_steps["discriminator"] = ("discriminator",)
        by_perceptual = Best(metric="perceptual", goal="min")
        self.best = Best(metric="psnr", goal="max") if perceptual is None else by_perceptual
        self.data, self.degradation, self.loss = data, degradation, loss
        self.last_output: tuple[int, Tensor] | None = None

    def prepare(self, progress: Progress) -> None:
        """Render all sets, or read them from the cache; degrade those of the validation once."""
        landscapes = self.data.landscapes
        self.train = CleanPictures.rendered(self.data, progress)
        self.validation = rendered(self.data.validation, progress)
        side = self.validation.plan.size // self.scale
        draws = Draws(VALIDATION_SEED, 0, range(len(self.validation)))
        clean = self.validation.tensor(range(len(self.validation)))
        self.degraded = degraded(clean, self.degradation, side, draws)
        if landscapes is not None:
            scenes = rendered_landscapes(landscapes.validation, progress)
            self.scenes = scenes.tensor(range(len(scenes)))
            scene_draws = Draws(VALIDATION_SEED, 0, range(len(scenes)))
            self.degraded_scenes = degraded(self.scenes, self.degradation, side, scene_draws)
        if self.upscaler is not None:
            small = degraded(clean, self.degradation, side // 2, draws)
            self.degraded = self._half_upscaled(self.degraded, small)

    def coupling(self) -> str | None:
        """The discriminator comes second, and sees the generator's outputs of the batch."""
        return REUSED if self.adversary is not None else None

    def batch(self, context: StepContext, batch: int) -> Batch:
        """Clean patches and their degradations, `small` ones for the upscaler."""
        draws = context.draws
        clean = self._patches(self.train.batch(draws, batch=batch), draws)
        clean = flipped(clean, draws.uniform("mirrored") < 0.5)
        pictures = {
            "clean": clean,
            "degraded": degraded(clean, self.degradation, self.patch // self.scale, draws),
        }
        if self.upscaler is not None:
            pictures["small"] = degraded(clean, self.degradation, self.patch // 2, draws)
        return pictures

    def terms(self, optimizer_step: str, batch: Batch, context: StepContext) -> dict[str, Term]:
        """Pixels, edges and texture, and the perceptual, age and adversarial losses if any."""
        clean, loss = batch["clean"], self.loss
        if optimizer_step == "discriminator":
            assert self.adversary is not None
            output = self._output_of_step(batch, context)
            return self.adversary.discriminator_terms(clean, output, context)
        inputs = self._inputs(batch)
        output = self._restored(inputs)
        self.last_output = (context.step, output.detach())
        terms = {
            "l1": Term(self._error(l1_of_each, output, inputs, clean)),
            "edges": Term(self._error(gradient_l1_of_each, output, inputs, clean), loss.edges),
            "texture": Term(texture_l1(output, clean), loss.texture),
        }
        if self.perceptual is not None:
            terms["perceptual"] = Term(self.perceptual(output, clean).mean(), loss.perceptual)
        if self.age is not None:
            with torch.no_grad():
                years = self.age.years(clean)
            error = (self.age.years(output) - years) / AGE_CAP
            terms["age"] = Term(error.square().mean(), loss.age)
        if self.adversary is not None:
            terms |= self.adversary.generator_terms(output, clean, context)
        return terms

    def validate(self, nets: Nets, device: torch.device) -> dict[str, float]:
        """PSNR in dB and the share of the truth's texture, each beside that of bicubic.

        With `perceptual` and `age` also the distance to the truth and the age error in years; with
        landscapes their PSNR.
        """
        output = self._outputs(nets, self.degraded, device)
        truth = self.validation.tensor(range(len(self.validation)))
        bicubic = upscaled(self.degraded, self.validation.plan.size)
        metrics = {
            "psnr": float(psnr(output, truth).mean()),
            "psnr_bicubic": float(psnr(bicubic, truth).mean()),
            "texture": float(texture_strength(output).mean() / texture_strength(truth).mean()),
            "texture_bicubic": float(
                texture_strength(bicubic).mean() / texture_strength(truth).mean()
            ),
        }
        for suffix, pictures in (("", output), ("_bicubic", bicubic)):
            pair = pictures.to(device), truth.to(device)
            if self.perceptual is not None:
                metrics[f"perceptual{suffix}"] = _mean_distance(self.perceptual, *pair)
            if self.age is not None:
                metrics[f"age{suffix}"] = _age_error(self.age, *pair)
        if self.data.landscapes is not None:
            output = self._outputs(nets, self.degraded_scenes, device)
            bicubic = upscaled(self.degraded_scenes, self.scenes.shape[-1])
            metrics["psnr_landscapes"] = float(psnr(output, self.scenes).mean())
            metrics["psnr_bicubic_landscapes"] = float(psnr(bicubic, self.scenes).mean())
        return metrics

    def sample(self, nets: Nets, device: torch.device) -> np.ndarray:
        """Rows of degraded, restored and true pictures."""
        output, size = self._outputs(nets, self.degraded, device), self.validation.plan.size
        rows = np.linspace(0, len(self.validation) - 1, SHOWN).astype(int).tolist()
        columns = [
            (upscaled(self.degraded[r : r + 1], size), output[r], self.validation.tensor([r]))
            for r in rows
        ]
        pictures = [to_pixels(column[i]) for i in range(3) for column in columns]
        names = [name for name in ("degraded", "restored", "truth") for _ in rows]
        return contact_sheet(pictures, names, columns=len(rows), cell=size)

    def checkpoint(self, nets: Nets) -> Checkpoint:
        """The network alone, with the keys of its published family.

        The facts say how many photographs it learned from.
        """
        facts: dict[str, Any] = {"task": "restoration", "scale": self.scale, "domain": "portraits"}
        if self.part == "face":
            facts["size"] = self.validation.plan.size
        else:
            facts["bare"] = True
        if self.train.photographs is not None:
            facts["photographs"] = len(self.train.photographs)
        state = getattr(nets[self.part], "net", nets[self.part]).state_dict()
        return Checkpoint("native", {self.part: state}, facts=facts)

    def _inputs(self, batch: Batch) -> Tensor:
        inputs = batch["degraded"]
        return inputs if self.upscaler is None else self._half_upscaled(inputs, batch["small"])

    def _restored(self, inputs: Tensor) -> Tensor:
        return from_net_range(self.net(to_net_range(inputs, self.part)).float(), self.part)

    def _output_of_step(self, batch: Batch, context: StepContext) -> Tensor:
        if self.last_output is not None and self.last_output[0] == context.step:
            return self.last_output[1]
        with torch.no_grad():
            return self._restored(self._inputs(batch))

    def _error(self, of_each: Measure, output: Tensor, inputs: Tensor, clean: Tensor) -> Tensor:
        """The mean over the samples, relative to interpolation if the recipe says so."""
        error = of_each(output, clean)
        if self.loss.relative:
            error = error / (of_each(upscaled(inputs, self.patch), clean) + self.loss.relative)
        return error.mean()

    @torch.no_grad()
    def _half_upscaled(self, pictures: Tensor, small: Tensor) -> Tensor:
        """Every other picture replaced by the upscaler's output for its small copy."""
        assert self.upscaler is not None
        pictures = pictures.clone()
        pictures[::2] = self.upscaler((small[::2] + 1) / 2).to(pictures.dtype) * 2 - 1
        return pictures

    def _patches(self, whole: Tensor, draws: Draws) -> Tensor:
        room = whole.shape[-1] - self.patch
        corners = draws.integers("corner", 0, room + 1, 2).tolist()
        pairs = zip(whole, corners, strict=True)
        cut = [p[:, y : y + self.patch, x : x + self.patch] for p, (y, x) in pairs]
        return torch.stack(cut)

    def _outputs(self, nets: Nets, inputs: Tensor, device: torch.device) -> Tensor:
        net = nets[self.part]
        outputs = [
            from_net_range(net(to_net_range(some.to(device), self.part)).float(), self.part).cpu()
            for some in inputs.split(BATCH)
        ]
        return torch.cat(outputs).clamp(-1, 1)


def _mean_distance(distance: Distance, output: Tensor, truth: Tensor) -> float:
    pairs = zip(output.split(BATCH), truth.split(BATCH), strict=True)
    return float(torch.cat([distance(*pair) for pair in pairs]).mean())


def _age_error(age: AgeEstimator, output: Tensor, truth: Tensor) -> float:
    """Mean of estimated less true apparent age, in years."""
    years = [torch.cat([age.years(some) for some in x.split(BATCH)]) for x in (output, truth)]
    return float((years[0] - years[1]).mean())


def to_net_range(pictures: Tensor, part: str) -> Tensor:
    """Pictures in [-1, 1] in the range of a network: [0, 1] in the ESRGAN family, else [-1, 1]."""
    return pictures if part == "face" else (pictures + 1) / 2


def from_net_range(pictures: Tensor, part: str) -> Tensor:
    """The inverse of `to_net_range`."""
    return pictures if part == "face" else pictures * 2 - 1


def upscaled(pictures: Tensor, size: int) -> Tensor:
    """Pictures (b, 3, h, w) at `size` px by bicubic interpolation."""
    if pictures.shape[-1] == size:
        return pictures
    output = F.interpolate(pictures, (size, size), mode="bicubic", align_corners=False)
    return output.clamp(-1, 1)
