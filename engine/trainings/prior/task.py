"""Train the global ageing prior: SAM's losses, and the true render of every target age."""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from engine.core.numbers import AGE_CAP, Real
from engine.core.progress import Progress
from engine.data.portraits import PortraitData, rendered
from engine.losses.face.age_gap import age_gap_weight
from engine.losses.perceptual import feature_l2
from engine.losses.pixel import gradient_l1, pyramid_l1
from engine.losses.texture import texture_l1
from engine.losses.w_norm import w_norm
from engine.metrics.energy import energy_ratios
from engine.metrics.gradients import gradient_distance
from engine.metrics.pixels import psnr
from engine.nets.encoders.gradual import with_age_plane
from engine.nets.nano.age import NanoAge
from engine.nets.nano.ageing import PLANES, NanoAgeing
from engine.nets.nano.discriminator import NanoDiscriminator
from engine.nets.nano.encoder import OOD_THRESHOLD, NanoEncoder
from engine.nets.nano.generator import NanoGenerator
from engine.nets.nano.identity import NanoIdentity
from engine.nets.protocols import AgeEstimator
from engine.training.task import Batch, Best, Nets, StepContext, Task, Term
from engine.trainings.adversarial import REUSED, AdversarialLoss, PortraitAdversary
from engine.trainings.autoencoder.task import side_by_side
from engine.trainings.networks import modules_of
from engine.trainings.predictions import BATCH
from engine.weights.checkpoint import Checkpoint

PICTURE, OUTLINE = OBJECTIVES = ("picture", "outline")
"""`outline` compares codes and pictures of half size: without the generator a step costs a third,
and shapes are right before texture is trained by `picture`."""
SHOWN = 4
FAR = 20
"""Years of ageing from which `gradient` and `psnr` are measured."""


class PriorLoss(AdversarialLoss):
    """Weights of the losses; 0 leaves a loss out."""

    outline: Real = Field(default=30.0, ge=0)
    """Of the change of shape, hair and colour at half size; objective `outline`."""
    styles: Real = Field(default=1.0, ge=0)
    """Of the styles of detail; objective `outline`."""
    pixel: Real = Field(default=20.0, ge=0)
    gradient: Real = Field(default=3.0, ge=0)
    perceptual: Real = Field(default=2.0, ge=0)
    texture: Real = Field(default=0.6, ge=0)
    identity: Real = Field(default=0.3, ge=0)
    age: Real = Field(default=1.0, ge=0)
    w_norm: Real = Field(default=0.005, ge=0)
    cycle: Real = Field(default=10.0, ge=0)
    """Of cycle consistency."""
    cycle_every: int = Field(default=4, ge=1)
    same: Real = Field(default=0.15, ge=0, le=1)
    """Share of the pairs whose target is the age of the photograph."""


@dataclass(frozen=True, slots=True, eq=False)
class PriorNets:
    """The trained networks, and the frozen ones: inversion, generator, identity and ages."""

    ageing: NanoAgeing
    discriminator: NanoDiscriminator
    encoder: NanoEncoder
    decoder: NanoGenerator
    identity: NanoIdentity
    age: NanoAge
    age_evaluator: AgeEstimator | None = None
    """In no loss: estimates the ages of the validation."""


class PriorTask(Task):
    """A photograph and a target age; the truth is the same scene rendered at that age.

    Losses by networks alone are satisfied by any change of colour that they take for age, such as
    blue hair. Their weights are therefore small, and the true render dominates.
    """

    def __init__(self, nets: PriorNets, data: PortraitData, loss: PriorLoss) -> None:
        self.nets = nets
        self.parts = {"ageing": nets.ageing, "discriminator": nets.discriminator}
        self.frozen = {
            "encoder": nets.encoder,
            "decoder": nets.decoder,
            "identity": nets.identity,
            "age": nets.age,
            **modules_of({"age_evaluator": nets.age_evaluator}),
        }
        for net in (*self.parts.values(), *self.frozen.values()):
            net.to(memory_format=torch.channels_last)
        # The discriminator comes second and reuses the generator's output: one pass a step.
        self.optimizer_steps = {"ageing": ("ageing",), "discriminator": ("discriminator",)}
        self.best = Best(metric="feature_distance", goal="min")
        self.data, self.loss = data, loss
        self.adversary = PortraitAdversary(nets.discriminator, loss)
        self.sees_photo = nets.discriminator.planes > PLANES
        self.last_output: tuple[int, Tensor] | None = None

    def prepare(self, progress: Progress) -> None:
        """Render both sets, or read them from the cache."""
        self.train = rendered(self.data.train, progress)
        self.validation = rendered(self.data.validation, progress)

    def coupling(self) -> str:
        """The discriminator comes second, and sees the generator's outputs of the batch."""
        return REUSED

    def batch(self, context: StepContext, batch: int) -> Batch:
        """Photographs, their truth at the target age, both ages, and noise."""
        draws, size, each = context.draws, self.nets.decoder.spec.size, self.data.train.per_scene
        first = draws.shuffled(len(self.train) // each, batch=batch) * each
        source = draws.integers("source", 0, each)
        offset = draws.integers("away", 1, max(each, 2))
        same = draws.uniform("same") < self.loss.same
        offset = torch.where(same, torch.zeros_like(offset), offset)
        rows, targets = first + source, first + (source + offset) % each
        return {
            "photo": self.train.tensor(rows),
            "truth": self.train.tensor(targets),
            "source_age": torch.from_numpy(self.train.ages[rows.numpy()]),
            "target_age": torch.from_numpy(self.train.ages[targets.numpy()]),
            "noise": draws.normal("noise", 1, size, size),
        }

    def terms(self, optimizer_step: str, batch: Batch, context: StepContext) -> dict[str, Term]:
        """The losses of the ageing network or of the discriminator."""
        photo, truth = (
            batch[name].contiguous(memory_format=torch.channels_last) for name in ("photo", "truth")
        )
        if context.objective == OUTLINE:
            if optimizer_step == "discriminator":
                return {}
            return self._outline_terms(photo, truth, batch["target_age"])
        if optimizer_step == "discriminator":
            output = self._output_of_step(batch, context)
            return self.adversary.discriminator_terms(
                truth, output, context, batch["target_age"], beside=self._beside(photo)
            )
        codes, inverted = self._aged(photo, batch["target_age"])
        output = self.nets.decoder(codes, noise=[batch["noise"]])
        self.last_output = (context.step, output.detach())
        terms = self._truth_terms(output, photo, truth, batch, context)
        terms |= self._network_terms(output, photo, truth, batch)
        terms["w_norm"] = Term(w_norm(codes, inverted.mean(dim=0)), self.loss.w_norm)
        if self.loss.cycle and context.step % self.loss.cycle_every == 0:
            terms["cycle"] = Term(self._cycle_error(output.detach(), photo, batch), self.loss.cycle)
        return terms

    def validate(self, nets: Nets, device: torch.device) -> dict[str, float]:
        """Everybody of the validation set from one age to all: error, sharpness and age."""
        photos = self._photos()
        output = self._aged_set(nets, photos, device)
        truth = self.validation.tensor(range(len(self.validation)))
        photo = self.validation.tensor(photos)
        ages = torch.from_numpy(self.validation.ages)
        far = ((ages - ages[photos]).abs() >= FAR).nonzero().flatten()
        texture, gradient = texture_l1(output, truth), gradient_distance(output, truth)
        ratios = energy_ratios(output, truth, self.validation.landmarks)
        return {
            "feature_distance": float(texture + gradient.mean()),
            "texture": float(texture),
            "gradient": float(gradient[far].mean()),
            "gradient_unchanged": float(gradient_distance(photo, truth)[far].mean()),
            "psnr": float(psnr(output, truth)[far].mean()),
            "psnr_unchanged": float(psnr(photo, truth)[far].mean()),
            **self._age_errors(output, truth, device),
            **{f"{at.region}_{at.band}": float(np.nanmedian(v)) for at, v in ratios.items()},
        }

    def _age_errors(self, output: Tensor, truth: Tensor, device: torch.device) -> dict[str, float]:
        """Years between target and estimate, of outputs and true renders, by the evaluator."""
        evaluator = self.nets.age_evaluator
        if evaluator is None:
            return {}
        ages = torch.from_numpy(self.validation.ages)
        errors: dict[str, float] = {}
        for name, pictures in (("age_mae", output), ("age_mae_truth", truth)):
            years = [evaluator.years(some.to(device)).cpu() for some in pictures.split(BATCH)]
            errors[name] = float((torch.cat(years) - ages).abs().mean())
        return errors

    def sample(self, nets: Nets, device: torch.device) -> np.ndarray | None:
        """A few people: the photograph, then every age of the validation set; below, the truth."""
        photos, each = self._photos(), self.data.validation.per_scene
        output = self._aged_set(nets, photos, device)
        strips: list[np.ndarray] = []
        for first in range(0, len(self.validation), each)[:SHOWN]:
            rows = range(first, first + each)
            photo, truth = (
                self.validation.tensor(photos[first : first + 1]),
                self.validation.tensor(rows),
            )
            strips += [side_by_side(torch.cat([photo, some])) for some in (output[rows], truth)]
        return np.concatenate(strips)

    def checkpoint(self, nets: Nets) -> Checkpoint:
        """The whole ageing model: the prior, the inversion and the generator."""
        spec = self.nets.decoder.spec
        return Checkpoint(
            "native",
            {
                "encoder": nets["ageing"].state_dict(),
                "pretrained_encoder": self.nets.encoder.state_dict(),
                "decoder": self.nets.decoder.state_dict(),
            },
            latent_avg=torch.zeros(spec.n_latent, spec.style_width),
            facts={
                "task": "prior",
                "encoder_size": spec.size,
                "domain": "portraits",
                "ood_threshold": OOD_THRESHOLD,
            },
        )

    def _aged(self, photo: Tensor, ages: Tensor) -> tuple[Tensor, Tensor]:
        """w+ at the ages, and the inverted w+ of the photographs."""
        with torch.no_grad():
            inverted = self.nets.encoder(photo)
        return self.nets.ageing(with_age_plane(photo, ages)) + inverted, inverted

    def _outline_terms(self, photo: Tensor, truth: Tensor, ages: Tensor) -> dict[str, Term]:
        """Errors of the change at half size and of the styles of detail."""
        difference, styles = self.nets.ageing.changes(with_age_plane(photo, ages))
        with torch.no_grad():
            source, target = (self.nets.encoder.detail_styles(x) for x in (photo, truth))
        with torch.autocast(photo.device.type, enabled=False):
            change = F.avg_pool2d(truth - photo, 2)
            return {
                "outline": Term(pyramid_l1(difference, change), self.loss.outline),
                "outline_edges": Term(gradient_l1(difference, change), self.loss.gradient),
                "styles": Term((source + styles - target).square().mean(), self.loss.styles),
            }

    def _truth_terms(
        self, output: Tensor, photo: Tensor, truth: Tensor, batch: Batch, context: StepContext
    ) -> dict[str, Term]:
        """Errors against the truth, and the adversarial terms, conditioned on the age."""
        loss = self.loss
        with torch.autocast(output.device.type, enabled=False):
            terms = {
                "pixel": Term(pyramid_l1(output, truth), loss.pixel),
                "gradient": Term(gradient_l1(output, truth), loss.gradient),
                "texture": Term(texture_l1(output, truth), loss.texture),
            }
        return terms | self.adversary.generator_terms(
            output, truth, context, batch["target_age"], beside=self._beside(photo)
        )

    def _beside(self, photo: Tensor) -> Tensor | None:
        return photo if self.sees_photo else None

    def _network_terms(
        self, output: Tensor, photo: Tensor, truth: Tensor, batch: Batch
    ) -> dict[str, Term]:
        """SAM's losses by frozen networks: perceptual, identity and age."""
        loss, identity = self.loss, self.nets.identity
        with torch.no_grad():
            features, embedding = identity.features(truth), identity(photo)
        cosine = (identity(output) * embedding).sum(dim=1)
        distance = (1 - cosine) * age_gap_weight(batch["source_age"], batch["target_age"])
        years = (self.nets.age.age(output) - batch["target_age"]) / AGE_CAP
        return {
            "perceptual": Term(feature_l2(identity.features(output), features), loss.perceptual),
            "identity": Term(distance.mean(), loss.identity),
            "age": Term(years.square().mean(), loss.age),
        }

    def _cycle_error(self, output: Tensor, photo: Tensor, batch: Batch) -> Tensor:
        """Cycle consistency: the error of the output taken back to the age of the photograph.

        No gradient passes through `output` (SAM, section 3.2).
        """
        codes, _ = self._aged(output, batch["source_age"])
        back = self.nets.decoder(codes, noise=[batch["noise"]])
        with torch.autocast(output.device.type, enabled=False):
            return pyramid_l1(back, photo)

    def _output_of_step(self, batch: Batch, context: StepContext) -> Tensor:
        if self.last_output is not None and self.last_output[0] == context.step:
            return self.last_output[1]
        with torch.no_grad():
            codes, _ = self._aged(batch["photo"], batch["target_age"])
            return self.nets.decoder(codes, noise=[batch["noise"]])

    def _photos(self) -> Tensor:
        """The source row for every row of the validation set: one age of each photograph."""
        each = self.data.validation.per_scene
        scenes = torch.arange(len(self.validation) // each)
        return (scenes * each + scenes % each).repeat_interleave(each)

    def _aged_set(self, nets: Nets, photos: Tensor, device: torch.device) -> Tensor:
        """The photographs in these source rows, each at the age of its target row."""
        ages = torch.from_numpy(self.validation.ages)
        outputs: list[Tensor] = []
        for rows, targets in zip(photos.split(BATCH), ages.split(BATCH), strict=True):
            photo = self.validation.tensor(rows).to(device)
            planes = with_age_plane(photo, targets.to(device))
            codes = nets["ageing"](planes) + self.nets.encoder(photo)
            outputs.append(self.nets.decoder(codes).float().cpu())
        return torch.cat(outputs)
