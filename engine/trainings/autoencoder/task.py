"""Learn to take portraits apart into codes and to draw them again, as sharp as they were."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from engine.core.progress import Progress
from engine.data.portraits import PortraitPlan, PortraitSet, rendered
from engine.images.ranges import to_pixels
from engine.losses.perceptual import feature_l2
from engine.losses.pixel import gradient_l1, pyramid_l1
from engine.losses.texture import texture_l1
from engine.metrics.energy import energy_ratios
from engine.metrics.gradients import gradient_distance
from engine.metrics.pixels import psnr
from engine.nets.nano.discriminator import NanoDiscriminator
from engine.nets.nano.encoder import NanoEncoder
from engine.nets.nano.generator import NanoGenerator
from engine.nets.nano.identity import NanoIdentity
from engine.training.task import Batch, Best, Nets, StepContext, Task, Term
from engine.trainings.adversarial import AdversarialAim, PortraitAdversary
from engine.trainings.predictions import answers
from engine.weights.checkpoint import Checkpoint

SHOWN = 6
FITTED = 500
"""Portraits that are taken in at once when the bases are fitted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AutoencoderAim(AdversarialAim):
    """Weights of the losses; a weight of 0 leaves a loss out."""

    pixel: float = 30.0
    gradient: float = 5.0
    perceptual: float = 1.0
    texture: float = 0.6
    identity: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Autoencoder:
    """The networks of the task; encoder and generator hold equal bases."""

    encoder: NanoEncoder
    decoder: NanoGenerator
    discriminator: NanoDiscriminator


class AutoencoderTask(Task):
    """Encoder and generator together, against the pictures themselves and against a discriminator.

    The linear codes are fitted in `prepare`, unless the networks have been trained before.
    """

    def __init__(
        self,
        nets: Autoencoder,
        learn: PortraitPlan,
        check: PortraitPlan,
        aim: AutoencoderAim,
        *,
        identity: NanoIdentity,
        fitted: bool,
    ) -> None:
        self.nets = nets
        self.parts = {
            "encoder": nets.encoder,
            "decoder": nets.decoder,
            "discriminator": nets.discriminator,
        }
        self.frozen = {"identity": identity}
        self.identity = identity
        for net in (*self.parts.values(), identity):
            net.to(memory_format=torch.channels_last)
        # The discriminator comes second and sees what the generator just drew: one pass a step.
        self.optimizer_steps = {
            "drawing": ("encoder", "decoder"),
            "discriminator": ("discriminator",),
        }
        self.best = Best(metric="feature_distance", goal="min")
        self.plans, self.aim, self.fitted = (learn, check), aim, fitted
        self.game = PortraitAdversary(nets.discriminator, aim)
        self.drawn: tuple[int, Tensor] | None = None

    def prepare(self, progress: Progress) -> None:
        """Render both sets, or find them rendered; fit the bases to the first."""
        self.learn, self.check = (rendered(plan, progress) for plan in self.plans)
        if not self.fitted:
            fit_bases(self.nets, self.learn)
            self.fitted = True

    def batch(self, context: StepContext, batch: int) -> Batch:
        """Pictures, and noise for the generator."""
        draws, size = context.draws, self.nets.decoder.spec.size
        rows = draws.shuffled(len(self.learn), batch=batch)
        return {"pictures": self.learn.tensor(rows), "noise": draws.normal("noise", 1, size, size)}

    def terms(self, optimizer_step: str, batch: Batch, context: StepContext) -> dict[str, Term]:
        """What the drawing lacks, or what the discriminator overlooks."""
        truth = batch["pictures"].contiguous(memory_format=torch.channels_last)
        if optimizer_step == "discriminator":
            return self.game.judging(
                truth, self._last_drawn(truth, batch["noise"], context), context
            )
        output = self.nets.decoder(self.nets.encoder(truth), noise=[batch["noise"]])
        self.drawn = (context.step, output.detach())
        return self._likeness(output, truth, context)

    def validate(self, nets: Nets, device: torch.device) -> dict[str, float]:
        """Likeness and sharpness of unknown people."""
        output = answers(lambda seen: nets["decoder"](nets["encoder"](seen)), self.check, device)
        truth = self.check.tensor(range(len(self.check)))
        texture = float(texture_l1(output, truth))
        gradient = float(gradient_distance(output, truth).mean())
        ratios = energy_ratios(output, truth, self.check.landmarks)
        return {
            "feature_distance": texture + gradient,
            "texture": texture,
            "gradient": gradient,
            "psnr": float(psnr(output, truth).mean()),
            **{f"{at.region}_{at.band}": float(np.nanmedian(v)) for at, v in ratios.items()},
        }

    def sample(self, nets: Nets, device: torch.device) -> np.ndarray | None:
        """Portraits of the check set, and under each what came back of it."""
        rows = np.linspace(0, len(self.check) - 1, SHOWN).round().astype(int).tolist()
        truth = self.check.tensor(rows)
        output = nets["decoder"](nets["encoder"](truth.to(device))).cpu()
        return np.concatenate([side_by_side(truth), side_by_side(output)])

    def checkpoint(self, nets: Nets) -> Checkpoint:
        """Encoder and generator, with the codes' origin."""
        spec = self.nets.decoder.spec
        return Checkpoint(
            "native",
            {name: nets[name].state_dict() for name in ("encoder", "decoder")},
            latent_avg=torch.zeros(spec.n_latent, spec.style_width),
            facts={"task": "autoencoder", "size": spec.size},
        )

    def _likeness(self, output: Tensor, truth: Tensor, context: StepContext) -> dict[str, Term]:
        aim, terms = self.aim, dict[str, Term]()
        with torch.autocast(output.device.type, enabled=False):
            terms["pixel"] = Term(pyramid_l1(output, truth), aim.pixel)
            terms["gradient"] = Term(gradient_l1(output, truth), aim.gradient)
            if aim.texture:
                terms["texture"] = Term(texture_l1(output, truth), aim.texture)
        if aim.perceptual or aim.identity:
            terms |= self._recognised(output, truth)
        return terms | self.game.generator_terms(output, truth, context)

    def _recognised(self, output: Tensor, truth: Tensor) -> dict[str, Term]:
        with torch.no_grad():
            known = self.identity.features(truth)
        terms = {
            "perceptual": Term(
                feature_l2(self.identity.features(output), known), self.aim.perceptual
            )
        }
        if self.aim.identity:
            with torch.no_grad():
                who = self.identity(truth)
            away = 1 - (self.identity(output) * who).sum(dim=1).mean()
            terms["identity"] = Term(away, self.aim.identity)
        return terms

    def _last_drawn(self, truth: Tensor, noise: Tensor, context: StepContext) -> Tensor:
        if self.drawn is not None and self.drawn[0] == context.step:
            return self.drawn[1]
        with torch.no_grad():
            return self.nets.decoder(self.nets.encoder(truth), noise=[noise])


def fit_bases(nets: Autoencoder, portraits: PortraitSet) -> None:
    """Fit the linear codes to all portraits of a set, in encoder and generator alike."""
    starts = range(0, len(portraits), FITTED)
    nets.encoder.base.fit(
        portraits.tensor(range(first, min(first + FITTED, len(portraits)))) for first in starts
    )
    nets.decoder.base.load_state_dict(nets.encoder.base.state_dict())


def side_by_side(pictures: Tensor) -> np.ndarray:
    """Pictures (b, 3, h, w) in [-1, 1] as one strip, uint8 RGB (h, b * w, 3)."""
    return np.concatenate([to_pixels(picture) for picture in pictures], axis=1)
