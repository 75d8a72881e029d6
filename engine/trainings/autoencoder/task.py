"""Train an encoder and a generator of portraits to reconstruct them as sharp as they are."""

from dataclasses import dataclass

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from engine.core.numbers import Real
from engine.core.progress import Progress
from engine.data.portraits import PortraitData, PortraitSet, rendered
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
from engine.trainings.adversarial import REUSED, AdversarialLoss, PortraitAdversary
from engine.trainings.predictions import predict
from engine.weights.checkpoint import Checkpoint

SHOWN = 6
FIT_BATCH = 500
"""Portraits at a time when the linear bases are fitted."""


class AutoencoderLoss(AdversarialLoss):
    """Weights of the losses; 0 leaves a loss out."""

    pixel: Real = Field(default=30.0, ge=0)
    gradient: Real = Field(default=5.0, ge=0)
    perceptual: Real = Field(default=1.0, ge=0)
    texture: Real = Field(default=0.6, ge=0)
    identity: Real = Field(default=0.0, ge=0)


@dataclass(frozen=True, slots=True, eq=False)
class Autoencoder:
    """The networks of the task; encoder and generator hold equal bases."""

    encoder: NanoEncoder
    decoder: NanoGenerator
    discriminator: NanoDiscriminator


class AutoencoderTask(Task):
    """Encoder and generator with reconstruction losses and a discriminator.

    The linear bases are fitted in `prepare`, unless `fitted` says that they are already.
    """

    def __init__(
        self,
        nets: Autoencoder,
        data: PortraitData,
        loss: AutoencoderLoss,
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
        # The discriminator comes second and reuses the generator's output: one pass a step.
        self.optimizer_steps = {
            "generator": ("encoder", "decoder"),
            "discriminator": ("discriminator",),
        }
        self.best = Best(metric="feature_distance", goal="min")
        self.data, self.loss, self.fitted = data, loss, fitted
        self.adversary = PortraitAdversary(nets.discriminator, loss)
        self.last_output: tuple[int, Tensor] | None = None

    def prepare(self, progress: Progress) -> None:
        """Render both sets, or read them from the cache; fit the bases to the first."""
        self.train = rendered(self.data.train, progress)
        self.validation = rendered(self.data.validation, progress)
        if not self.fitted:
            fit_bases(self.nets, self.train)
            self.fitted = True

    def coupling(self) -> str:
        """The discriminator comes second, and sees the generator's outputs of the batch."""
        return REUSED

    def batch(self, context: StepContext, batch: int) -> Batch:
        """Pictures, and noise for the generator."""
        draws, size = context.draws, self.nets.decoder.spec.size
        rows = draws.shuffled(len(self.train), batch=batch)
        return {"pictures": self.train.tensor(rows), "noise": draws.normal("noise", 1, size, size)}

    def terms(self, optimizer_step: str, batch: Batch, context: StepContext) -> dict[str, Term]:
        """The losses of the generator or of the discriminator."""
        truth = batch["pictures"].contiguous(memory_format=torch.channels_last)
        if optimizer_step == "discriminator":
            output = self._output_of_step(truth, batch["noise"], context)
            return self.adversary.discriminator_terms(truth, output, context)
        output = self.nets.decoder(self.nets.encoder(truth), noise=[batch["noise"]])
        self.last_output = (context.step, output.detach())
        return self._generator_terms(output, truth, context)

    def validate(self, nets: Nets, device: torch.device) -> dict[str, float]:
        """Reconstruction error and sharpness on held-out people."""
        output = predict(lambda x: nets["decoder"](nets["encoder"](x)), self.validation, device)
        truth = self.validation.tensor(range(len(self.validation)))
        texture = float(texture_l1(output, truth))
        gradient = float(gradient_distance(output, truth).mean())
        ratios = energy_ratios(output, truth, self.validation.landmarks)
        return {
            "feature_distance": texture + gradient,
            "texture": texture,
            "gradient": gradient,
            "psnr": float(psnr(output, truth).mean()),
            **{f"{at.region}_{at.band}": float(np.nanmedian(v)) for at, v in ratios.items()},
        }

    def sample(self, nets: Nets, device: torch.device) -> np.ndarray | None:
        """Portraits of the validation set, and their reconstructions below."""
        rows = np.linspace(0, len(self.validation) - 1, SHOWN).round().astype(int).tolist()
        truth = self.validation.tensor(rows)
        output = nets["decoder"](nets["encoder"](truth.to(device))).cpu()
        return np.concatenate([side_by_side(truth), side_by_side(output)])

    def checkpoint(self, nets: Nets) -> Checkpoint:
        """Encoder and generator, with the latent average, which is 0."""
        spec = self.nets.decoder.spec
        return Checkpoint(
            "native",
            {name: nets[name].state_dict() for name in ("encoder", "decoder")},
            latent_avg=torch.zeros(spec.n_latent, spec.style_width),
            facts={"task": "autoencoder", "size": spec.size},
        )

    def _generator_terms(
        self, output: Tensor, truth: Tensor, context: StepContext
    ) -> dict[str, Term]:
        loss, terms = self.loss, dict[str, Term]()
        with torch.autocast(output.device.type, enabled=False):
            terms["pixel"] = Term(pyramid_l1(output, truth), loss.pixel)
            terms["gradient"] = Term(gradient_l1(output, truth), loss.gradient)
            if loss.texture:
                terms["texture"] = Term(texture_l1(output, truth), loss.texture)
        if loss.perceptual or loss.identity:
            terms |= self._identity_terms(output, truth)
        return terms | self.adversary.generator_terms(output, truth, context)

    def _identity_terms(self, output: Tensor, truth: Tensor) -> dict[str, Term]:
        with torch.no_grad():
            features = self.identity.features(truth)
        distance = feature_l2(self.identity.features(output), features)
        terms = {"perceptual": Term(distance, self.loss.perceptual)}
        if self.loss.identity:
            with torch.no_grad():
                embedding = self.identity(truth)
            distance = 1 - (self.identity(output) * embedding).sum(dim=1).mean()
            terms["identity"] = Term(distance, self.loss.identity)
        return terms

    def _output_of_step(self, truth: Tensor, noise: Tensor, context: StepContext) -> Tensor:
        if self.last_output is not None and self.last_output[0] == context.step:
            return self.last_output[1]
        with torch.no_grad():
            return self.nets.decoder(self.nets.encoder(truth), noise=[noise])


def fit_bases(nets: Autoencoder, portraits: PortraitSet) -> None:
    """Fit the linear codes to all portraits of a set, in encoder and generator alike."""
    starts = range(0, len(portraits), FIT_BATCH)
    nets.encoder.base.fit(
        portraits.tensor(range(first, min(first + FIT_BATCH, len(portraits)))) for first in starts
    )
    nets.decoder.base.load_state_dict(nets.encoder.base.state_dict())


def side_by_side(pictures: Tensor) -> np.ndarray:
    """Pictures (b, 3, h, w) in [-1, 1] as one strip, uint8 RGB (h, b * w, 3)."""
    return np.concatenate([to_pixels(picture) for picture in pictures], axis=1)
