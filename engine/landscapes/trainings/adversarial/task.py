"""The adversarial training of landscapes from valence and arousal."""

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from engine.core.errors import TmError
from engine.core.progress import Progress, Silence
from engine.landscapes.inference.batches import generate_in_batches, in_batches, tiled, va_grid
from engine.landscapes.losses.augmentation import UNIFORMS, adapted_probability, augmented
from engine.landscapes.losses.base import (
    LandscapeLoss,
    discriminator_terms,
    generator_terms,
)
from engine.landscapes.losses.diversity import Diversity
from engine.landscapes.losses.inputs import LandscapeLossInputs, LandscapeNetworks
from engine.landscapes.metrics.evaluation import LandscapeMetrics, fixed_noise
from engine.landscapes.metrics.red_flags import CAUSES
from engine.landscapes.metrics.va_regression import RIDGE
from engine.landscapes.nets.encoder import LatentDistribution
from engine.landscapes.nets.generator import LandscapeGenerator, eru_axes, eru_statistics
from engine.landscapes.nets.growth import with_detail
from engine.landscapes.trainings.adversarial.settings import AdversarialTable
from engine.landscapes.trainings.data import LandscapeSource
from engine.landscapes.trainings.va_evaluator.task import PART as VA_EVALUATOR
from engine.runtime.shared import processes, shared_mean
from engine.training.task import Batch, Best, Nets, StepContext, Task, Term
from engine.weights.checkpoint import Checkpoint

GRID, ROW = 3, 6
GRID_LOW, GRID_HIGH = 0.2, 0.8
CONFIDENCE_IMAGES, MAX_CONFIDENCE = 256, 0.8
MAX_GAMMA, MAX_CLIPPED, MIN_GAMMA_STD = 2.0, 0.5, 0.02
"""Limits of the statistics of the units beyond which a validation warns."""
TOLERANCE = 1e-4
ADA_INTERVAL = 4
LATENT_MOMENTUM = 0.01
DISCRIMINATOR_INPUTS = 4
"""Batches that the discriminator may see in a step, each augmented by its own random numbers."""


class RedFlagError(TmError):
    """The run ends because red flags persist."""


class LandscapeTask(Task):
    """Two optimizer steps: first the discriminator's, then the generator's."""

    def __init__(
        self,
        networks: LandscapeNetworks,
        source: LandscapeSource,
        losses: Sequence[LandscapeLoss],
        settings: AdversarialTable,
        *,
        frozen: Mapping[str, nn.Module] | None = None,
        evaluated_by: str | None = None,
    ) -> None:
        """Set up the task.

        frozen: the networks `perceptual` and `va_evaluator`, if any; evaluated_by: the weights of
        the latter, for the checkpoint.
        """
        if networks.discriminator is None:
            raise ValueError("an adversarial training needs a discriminator")
        self.networks, self.discriminator = networks, networks.discriminator
        self.source, self.settings, self.losses = source, settings, tuple(losses)
        self.parts = {"generator": networks.generator, "discriminator": self.discriminator}
        generator_parts = ("generator",)
        if networks.encoder is not None:
            self.parts["encoder"] = networks.encoder
            generator_parts = ("generator", "encoder")
        for net in self.parts.values():
            net.to(memory_format=torch.channels_last)
        self.frozen = {} if frozen is None else dict(frozen)
        self.evaluated_by = RIDGE if evaluated_by is None else evaluated_by
        self.optimizer_steps = {
            "discriminator": ("discriminator",),
            "generator": generator_parts,
        }
        self.best = Best(metric="selection_score", goal="max")
        self.progress: Progress = Silence()

    def prepare(self, progress: Progress) -> None:
        """Render or read the landscapes."""
        self.sets = self.source.load(progress)

    def precompute(self, device: torch.device, progress: Progress) -> None:
        """Compute the statistics of the real landscapes that validations compare with."""
        self.progress = progress
        net = self.frozen.get(VA_EVALUATOR)
        predictor = None if net is None else lambda x: in_batches(net, device, x)
        self.metrics = LandscapeMetrics.of(self.sets.train, self.sets.validation, predictor)

    def coupling(self) -> str | None:
        """Statistics of the batch: of the discriminator, of latents, of the augmentation."""
        settings = self.settings
        if self.discriminator.spec.minibatch_std:
            return "the discriminator sees the deviation of the batch (`minibatch_std`)"
        if settings.adaptive or settings.latents == "fitted":
            return "the augmentation or the latents follow the statistics of the whole batch"
        if settings.target_sampling == "shuffled":
            return "targets are shuffled within the batch (`target_sampling`)"
        if any(isinstance(loss, Diversity) for loss in self.losses):
            return "the loss `diversity` compares the pictures of a batch"
        return None

    def batch(self, context: StepContext, batch: int) -> Batch:
        """Real images and the random numbers of a step: conditions, latents, augmentations."""
        draws, width = context.draws, self.networks.generator.spec.latent
        real = self.source.batch(self.sets, draws, batch)
        target_va = {
            "batch": lambda: real["va"],
            "shuffled": lambda: real["va"].roll(1, 0),
            "uniform": lambda: draws.uniform("asked", 2),
        }[self.settings.target_sampling]()
        if self.settings.target_noise:
            noise = self.settings.target_noise * draws.normal("wish", 2)
            target_va = (target_va + noise).clamp(0, 1)
        return real | {
            "target_va": target_va,
            "other_va": draws.uniform("elsewhere", 2),
            "noise": draws.normal("normal", width),
            "other_noise": draws.normal("other", width),
            "augmentation": draws.uniform("changes", DISCRIMINATOR_INPUTS, UNIFORMS),
        }

    def terms(self, optimizer_step: str, batch: Batch, context: StepContext) -> dict[str, Term]:
        """The terms of one optimizer step whose weight is not 0."""
        self._fade_in(context.step)
        inputs = self._inputs(batch, generator_step=optimizer_step == "generator")
        if inputs.generator_step:
            terms = generator_terms(inputs, self.losses, context.step)
            if self.settings.latents == "fitted" and "encoded" in inputs.memo:
                self._track_latents(inputs.encoded())
        else:
            terms = discriminator_terms(inputs, self.losses, context.step)
            if self.settings.adaptive and context.step % ADA_INTERVAL == 0:
                self._adapt_augmentation(inputs)
            real_sign = inputs.output("real").logits.sign().mean()
            terms["discriminator/real_sign"] = Term(real_sign, 0.0)
        return terms

    def validate(self, nets: Nets, device: torch.device) -> dict[str, float]:
        """The metrics of the generator; red flags are reported, and may end the run."""
        generator = _generator(nets)
        generate = partial(generate_in_batches, generator, device)
        metrics, flags = self.metrics.compute(generate, generator.spec.latent)
        units = eru_statistics(generator)
        bound = max((unit.bound for unit in generator.units), default=0.0)
        if units["gamma_max"] > bound + TOLERANCE:
            flags["gamma"] = units["gamma_max"]
        confidence = self._discriminator_confidence(nets, device)
        if confidence > MAX_CONFIDENCE:
            flags["overconfident"] = confidence
        metrics |= units | {"discriminator_confidence": confidence, "red_flags": float(len(flags))}
        metrics |= eru_axes(generator) | {f"flag/{name}": value for name, value in flags.items()}
        for name, value in flags.items():
            self.progress.remark(f"red flag `{name}` at {value:.3g}: {CAUSES[name]}")
        self._warn_of_units(units)
        self._count_flagged(flags)
        return metrics

    def sample(self, nets: Nets, device: torch.device) -> np.ndarray | None:
        """One latent over the plane, then six latents at its centre; the same at every step."""
        generator = _generator(nets)
        width = generator.spec.latent
        va = torch.cat([va_grid(GRID, GRID_LOW, GRID_HIGH), torch.full((ROW, 2), 0.5)])
        one, several = fixed_noise(1, width, 1), fixed_noise(ROW, width, 2)
        noise = torch.cat([one.expand(GRID**2, -1), several])
        return tiled(generate_in_batches(generator, device, noise, va), GRID)

    def checkpoint(self, nets: Nets) -> Checkpoint:
        """All networks, so that a run can start from another; `tm gan` uses the generator."""
        facts = {
            "task": "landscape",
            "size": _generator(nets).spec.size,
            "scale": self.source.scale,
            "evaluated_by": self.evaluated_by,
        }
        states = {name: net.state_dict() for name, net in nets.items()}
        return Checkpoint("native", states, facts=facts)

    def _discriminator_confidence(self, nets: Nets, device: torch.device) -> float:
        """How well the discriminator separates training and generated images, from 0 to 1."""
        generator, discriminator = _generator(nets), nets["discriminator"]
        rows = range(min(len(self.sets.train), CONFIDENCE_IMAGES))
        real, va = self.sets.train.tensor(rows), self.sets.train.va_of(rows)
        noise = fixed_noise(len(rows), generator.spec.latent, 7)

        def generated_logits(z: Tensor, va: Tensor) -> Tensor:
            return discriminator(generator(generator.latents(z), va), va).logits

        generated = in_batches(generated_logits, device, noise, va)
        true = in_batches(lambda x, va: discriminator(x, va).logits, device, real, va)
        return float((true.sign().mean() - generated.sign().mean()) / 2)

    def _warn_of_units(self, units: dict[str, float]) -> None:
        """Warn of units that are near their bounds, or that ignore valence and arousal."""
        if units["gamma_max"] > MAX_GAMMA:
            self.progress.remark(f"scaled gamma is {units['gamma_max']:.3g}, above 2")
        if units["gamma_clipped"] > MAX_CLIPPED:
            self.progress.remark(f"{units['gamma_clipped']:.0%} of the bases of gamma are clipped")
        if self.networks.generator.units and units["gamma_std"] < MIN_GAMMA_STD:
            self.progress.remark("gamma hardly depends on valence and arousal")

    def _count_flagged(self, flags: Mapping[str, float]) -> None:
        """Count consecutive validations with red flags; RedFlagError at the limit."""
        flagged, limit = self.discriminator.get_buffer("flagged"), self.settings.red_flag_patience
        flagged.copy_(flagged + 1 if flags else torch.zeros(()))
        if limit is not None and flagged >= limit:
            raise RedFlagError(
                f"{int(flagged)} consecutive validations raised red flags: {', '.join(flags)}",
                hint="continue from the last checkpoint without `adversarial.red_flag_patience`,"
                " or change the recipe",
            )

    def _inputs(self, batch: Batch, *, generator_step: bool) -> LandscapeLossInputs:
        uniforms, settings = batch["augmentation"], self.settings
        probability = torch.ones(())
        if settings.adaptive:
            probability = self.discriminator.get_buffer("augment")
        calls = iter(range(uniforms.shape[1]))

        def augment(pictures: Tensor) -> Tensor:
            if not settings.augmentations:
                return pictures
            row = uniforms[:, next(calls) % uniforms.shape[1]]
            return augmented(pictures, settings.augmentations, row, probability.to(row.device))

        real, fade = batch["real"], self.networks.generator.fade
        if fade is not None and (share := fade.share) < 1:
            real = with_detail(real, share)
        return LandscapeLossInputs(
            self.networks,
            real=real.contiguous(memory_format=torch.channels_last),
            va=batch["va"],
            target_va=batch["target_va"],
            other_va=batch["other_va"],
            noise=batch["noise"],
            other_noise=batch["other_noise"],
            augment=augment,
            generator_step=generator_step,
        )

    def _fade_in(self, step: int) -> None:
        if self.settings.fade_in is not None:
            for fade in (self.networks.generator.fade, self.discriminator.fade):
                assert fade is not None
                fade.set_step(step, self.settings.fade_in)

    @torch.no_grad()
    def _track_latents(self, encoded: LatentDistribution) -> None:
        """Move the generator's latent statistics towards those of the batch."""
        generator = self.networks.generator
        mean, std = generator.get_buffer("code_mean"), generator.get_buffer("code_spread")
        means, log_variance = encoded.mean.detach(), encoded.log_variance.detach()
        variance = (means - mean).square().mean(dim=0) + log_variance.exp().mean(dim=0)
        std.copy_(torch.lerp(std.square(), shared_mean(variance), LATENT_MOMENTUM).sqrt())
        mean.lerp_(shared_mean(means.mean(dim=0)), LATENT_MOMENTUM)

    @torch.no_grad()
    def _adapt_augmentation(self, inputs: LandscapeLossInputs) -> None:
        probability = self.discriminator.get_buffer("augment")
        adapted = adapted_probability(
            probability,
            inputs.output("real").logits,
            target=self.settings.ada_target,
            images=ADA_INTERVAL * len(inputs.real) * processes(),
            ramp_images=self.settings.ada_images,
        )
        probability.copy_(adapted)


def _generator(nets: Nets) -> LandscapeGenerator:
    generator = nets["generator"]
    assert isinstance(generator, LandscapeGenerator)
    return generator
