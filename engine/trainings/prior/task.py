"""Learn to age anybody: SAM's objective, kept honest by the truth render of every target."""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from engine.core.numbers import AGE_CAP
from engine.core.progress import Progress
from engine.data.portraits import PortraitPlan, rendered
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
from engine.nets.nano.ageing import NanoAgeing
from engine.nets.nano.discriminator import NanoDiscriminator
from engine.nets.nano.encoder import OOD_THRESHOLD, NanoEncoder
from engine.nets.nano.generator import NanoGenerator
from engine.nets.nano.identity import NanoIdentity
from engine.training.task import Batch, Best, Nets, StepContext, Task, Term
from engine.trainings.adversarial import AdversarialAim, PortraitAdversary
from engine.trainings.autoencoder.task import side_by_side
from engine.trainings.predictions import TOGETHER
from engine.weights.checkpoint import Checkpoint

OUTLINE = "outline"
"""The phase of this name learns from the pictures at half size alone: nothing is drawn, so a step
costs a third, and what changes shape is right before texture is asked for."""
SHOWN = 4
WIDE = 20
"""Years from which an aged picture has to be nearer to the truth than the photograph."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PriorAim(AdversarialAim):
    """Weights of the losses; a weight of 0 leaves a loss out."""

    outline: float = 30.0
    styles: float = 1.0
    pixel: float = 20.0
    gradient: float = 3.0
    perceptual: float = 2.0
    texture: float = 0.6
    identity: float = 0.3
    age: float = 1.0
    w_norm: float = 0.005
    cycle: float = 10.0
    cycle_every: int = 4
    same: float = 0.15
    """Share of the pairs that ask for the age of the photograph."""


@dataclass(frozen=True, slots=True, eq=False)
class PriorNets:
    """What learns, and what it works with: the inversion, and who judges."""

    ageing: NanoAgeing
    discriminator: NanoDiscriminator
    encoder: NanoEncoder
    decoder: NanoGenerator
    identity: NanoIdentity
    age: NanoAge


class PriorTask(Task):
    """A photograph and a target age; the truth is the same scene rendered at that age.

    Networks alone can be cheated: any change of colour that they take for age will do (blue hair).
    So their terms are weak, and what the person really comes to look like teaches.
    """

    def __init__(
        self, nets: PriorNets, learn: PortraitPlan, check: PortraitPlan, aim: PriorAim
    ) -> None:
        self.nets = nets
        self.parts = {"ageing": nets.ageing, "discriminator": nets.discriminator}
        self.frozen = {
            "encoder": nets.encoder,
            "decoder": nets.decoder,
            "identity": nets.identity,
            "age": nets.age,
        }
        for net in (*self.parts.values(), *self.frozen.values()):
            net.to(memory_format=torch.channels_last)
        # The discriminator comes second and judges what was just drawn: one drawing a step.
        self.optimizer_steps = {"ageing": ("ageing",), "discriminator": ("discriminator",)}
        self.best = Best(metric="feature_distance", goal="min")
        self.plans, self.aim = (learn, check), aim
        self.game = PortraitAdversary(nets.discriminator, aim)
        self.drawn: tuple[int, Tensor] | None = None

    def prepare(self, progress: Progress) -> None:
        """Render both sets, or find them rendered."""
        self.learn, self.check = (rendered(plan, progress) for plan in self.plans)

    def batch(self, context: StepContext, batch: int) -> Batch:
        """Photographs, their truth at the target age, both ages, and noise."""
        draws, size, each = context.draws, self.nets.decoder.spec.size, self.plans[0].per_scene
        first = draws.shuffled(len(self.learn) // each, batch=batch) * each
        source = draws.integers("source", 0, each)
        away = draws.integers("away", 1, max(each, 2))
        away = torch.where(draws.uniform("same") < self.aim.same, torch.zeros_like(away), away)
        rows, aims = first + source, first + (source + away) % each
        return {
            "photo": self.learn.tensor(rows),
            "truth": self.learn.tensor(aims),
            "source_age": torch.from_numpy(self.learn.ages[rows.numpy()]),
            "target_age": torch.from_numpy(self.learn.ages[aims.numpy()]),
            "noise": draws.normal("noise", 1, size, size),
        }

    def terms(self, optimizer_step: str, batch: Batch, context: StepContext) -> dict[str, Term]:
        """What the aged portrait lacks, or what the discriminator overlooks."""
        photo, truth = (
            batch[name].contiguous(memory_format=torch.channels_last) for name in ("photo", "truth")
        )
        if context.phase == OUTLINE:
            return (
                {}
                if optimizer_step == "discriminator"
                else self._outlined(photo, truth, batch["target_age"])
            )
        if optimizer_step == "discriminator":
            drawn = self._last_drawn(batch, context)
            return self.game.judging(truth, drawn, context, batch["target_age"])
        codes, inverted = self._aged(photo, batch["target_age"])
        output = self.nets.decoder(codes, noise=[batch["noise"]])
        self.drawn = (context.step, output.detach())
        terms = self._likeness(output, truth, batch, context)
        terms |= self._judged(output, photo, truth, batch)
        terms["w_norm"] = Term(w_norm(codes, inverted.mean(dim=0)), self.aim.w_norm)
        if self.aim.cycle and context.step % self.aim.cycle_every == 0:
            terms["cycle"] = Term(self._cycled(output.detach(), photo, batch), self.aim.cycle)
        return terms

    def validate(self, nets: Nets, device: torch.device) -> dict[str, float]:
        """Everybody of the check set from one age to all: likeness, sharpness and age."""
        photos = self._photos()
        output = self._answers(nets, photos, device)
        truth = self.check.tensor(range(len(self.check)))
        photo = self.check.tensor(photos)
        ages = torch.from_numpy(self.check.ages)
        far = ((ages - ages[photos]).abs() >= WIDE).nonzero().flatten()
        texture, near = texture_l1(output, truth), gradient_distance(output, truth)
        ratios = energy_ratios(output, truth, self.check.landmarks)
        told, read = (_ages(self.nets.age, seen, device) for seen in (output, truth))
        return {
            "feature_distance": float(texture + near.mean()),
            "texture": float(texture),
            "gradient": float(near[far].mean()),
            "gradient_unchanged": float(gradient_distance(photo, truth)[far].mean()),
            "psnr": float(psnr(output, truth)[far].mean()),
            "psnr_unchanged": float(psnr(photo, truth)[far].mean()),
            "age_mae": float((told - ages).abs().mean()),
            "age_mae_truth": float((read - ages).abs().mean()),
            **{f"{at.region}_{at.band}": float(np.nanmedian(v)) for at, v in ratios.items()},
        }

    def sample(self, nets: Nets, device: torch.device) -> np.ndarray | None:
        """A few people: the photograph, then every age of the check set; under it the truth."""
        photos, each = self._photos(), self.plans[1].per_scene
        output = self._answers(nets, photos, device)
        strips: list[np.ndarray] = []
        for first in range(0, len(self.check), each)[:SHOWN]:
            rows = range(first, first + each)
            photo, truth = self.check.tensor(photos[first : first + 1]), self.check.tensor(rows)
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
        """w+ at the ages, and of the photographs as they are."""
        with torch.no_grad():
            inverted = self.nets.encoder(photo)
        return self.nets.ageing(with_age_plane(photo, ages)) + inverted, inverted

    def _outlined(self, photo: Tensor, truth: Tensor, ages: Tensor) -> dict[str, Term]:
        """Errors of the change at half size, and of the styles of detail."""
        difference, styles = self.nets.ageing.changes(with_age_plane(photo, ages))
        with torch.no_grad():
            known, aim = (self.nets.encoder.detail_styles(seen) for seen in (photo, truth))
        with torch.autocast(photo.device.type, enabled=False):
            change = F.avg_pool2d(truth - photo, 2)
            return {
                "outline": Term(pyramid_l1(difference, change), self.aim.outline),
                "outline_edges": Term(gradient_l1(difference, change), self.aim.gradient),
                "styles": Term((known + styles - aim).square().mean(), self.aim.styles),
            }

    def _likeness(
        self, output: Tensor, truth: Tensor, batch: Batch, context: StepContext
    ) -> dict[str, Term]:
        """Against the truth, and against a discriminator who is told the age."""
        aim = self.aim
        with torch.autocast(output.device.type, enabled=False):
            terms = {
                "pixel": Term(pyramid_l1(output, truth), aim.pixel),
                "gradient": Term(gradient_l1(output, truth), aim.gradient),
                "texture": Term(texture_l1(output, truth), aim.texture),
            }
        return terms | self.game.generator_terms(output, truth, context, batch["target_age"])

    def _judged(
        self, output: Tensor, photo: Tensor, truth: Tensor, batch: Batch
    ) -> dict[str, Term]:
        """SAM's terms by frozen networks: the looks, who it is, how old."""
        aim, identity = self.aim, self.nets.identity
        with torch.no_grad():
            looks, who = identity.features(truth), identity(photo)
        cosine = (identity(output) * who).sum(dim=1)
        kept = (1 - cosine) * age_gap_weight(batch["source_age"], batch["target_age"])
        years = (self.nets.age.age(output) - batch["target_age"]) / AGE_CAP
        return {
            "perceptual": Term(feature_l2(identity.features(output), looks), aim.perceptual),
            "identity": Term(kept.mean(), aim.identity),
            "age": Term(years.square().mean(), aim.age),
        }

    def _cycled(self, output: Tensor, photo: Tensor, batch: Batch) -> Tensor:
        """Error of the way back: what was drawn, taken for a photograph, at the first age again.

        No gradient goes through the way there (as in SAM, section 3.2).
        """
        codes, _ = self._aged(output, batch["source_age"])
        back = self.nets.decoder(codes, noise=[batch["noise"]])
        with torch.autocast(output.device.type, enabled=False):
            return pyramid_l1(back, photo)

    def _last_drawn(self, batch: Batch, context: StepContext) -> Tensor:
        if self.drawn is not None and self.drawn[0] == context.step:
            return self.drawn[1]
        with torch.no_grad():
            codes, _ = self._aged(batch["photo"], batch["target_age"])
            return self.nets.decoder(codes, noise=[batch["noise"]])

    def _photos(self) -> Tensor:
        """For every row of the check set the row that is aged: one age of each photograph."""
        each = self.plans[1].per_scene
        scenes = torch.arange(len(self.check) // each)
        return (scenes * each + scenes % each).repeat_interleave(each)

    def _answers(self, nets: Nets, photos: Tensor, device: torch.device) -> Tensor:
        """The photographs in these rows of the check set, each at the age of its own place."""
        ages = torch.from_numpy(self.check.ages)
        told: list[Tensor] = []
        for rows, targets in zip(photos.split(TOGETHER), ages.split(TOGETHER), strict=True):
            photo = self.check.tensor(rows).to(device)
            planes = with_age_plane(photo, targets.to(device))
            codes = nets["ageing"](planes) + self.nets.encoder(photo)
            told.append(self.nets.decoder(codes).float().cpu())
        return torch.cat(told)


def _ages(judge: NanoAge, pictures: Tensor, device: torch.device) -> Tensor:
    return torch.cat([judge.age(some.to(device)).cpu() for some in pictures.split(TOGETHER)])
