"""Train the global ageing prior on pictures of which no truth at another age is known.

SAM's objective (Alaluf et al. 2021): the age that a frozen network estimates, identity by the age
gap, pixels and perceptual distance of picture and crop, and the cycle back to the age of the
photograph; beside it a discriminator of pictures and their ages, which needs no pairs.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field, field_validator
from torch import Tensor, nn

from engine.core.numbers import Real, Span
from engine.core.progress import Progress
from engine.core.table import Table
from engine.data.targets.base import TargetChoice
from engine.data.targets.uniform import Uniform
from engine.images.ranges import to_pixels
from engine.losses.face.ageing import Ageing
from engine.losses.face.base import LossChoice, check, total_loss
from engine.losses.face.context import LossContext, required
from engine.losses.face.identity import Identity
from engine.losses.face.inputs import Direction, LossInputs
from engine.losses.face.perceptual import Perceptual
from engine.losses.face.pixel import Pixel
from engine.losses.face.w_norm import WNorm
from engine.metrics.age import age_response
from engine.nets.nano.discriminator import NanoDiscriminator
from engine.nets.protocols import AgeEstimator
from engine.nets.style import StyleEncoder
from engine.nets.timemachine import TimeMachine
from engine.schedules import ScheduleValue, parse_schedule
from engine.training.photos import Photos, SplitPhotos
from engine.training.task import Batch, Best, Nets, StepContext, TaskInPasses, Term
from engine.trainings.adversarial import AdversarialLoss, PortraitAdversary
from engine.trainings.targeted import targeted_batch
from engine.weights.checkpoint import Checkpoint

SHOWN = 6
AGE_SCALE = 10.0
"""Years of error at which `ageing` is multiplied by 0.6."""
Load = Callable[[Progress], SplitPhotos]


def sam_losses() -> tuple[LossChoice, ...]:
    """SAM's terms with its published weights (README of SAM, `Training`)."""
    weights = {name: parse_schedule(value) for name, value in SAM_WEIGHTS.items()}
    return (
        Identity(weight=weights["identity"]),
        Ageing(weight=weights["ageing"]),
        Perceptual(weight=weights["perceptual"]),
        Perceptual(weight=weights["perceptual_face"], region="face"),
        Pixel(weight=weights["pixel"]),
        Pixel(weight=weights["pixel_face"], region="face"),
        WNorm(weight=weights["w_norm"]),
    )


SAM_WEIGHTS = {
    "identity": 0.1,
    "ageing": 5.0,
    "perceptual": 0.1,
    "perceptual_face": 0.6,
    "pixel": 0.25,
    "pixel_face": 1.0,
    "w_norm": 0.005,
}


class UnpairedAdversarial(AdversarialLoss):
    """Weights of the adversarial losses, without the one that compares pairs."""

    adversarial: Real = Field(default=0.05, ge=0)
    matching: Real = Field(default=0.0, ge=0, le=0)
    """Feature matching compares pairs, which there are none of."""


class UnpairedTable(Table):
    """The objective without truth."""

    targets: TargetChoice = Uniform()
    """Which ages the pictures are taken to."""
    loss: tuple[LossChoice, ...] = Field(default_factory=sam_losses)
    """The terms of the total loss; SAM's if absent."""
    cycle: ScheduleValue = parse_schedule(1.0)
    """Weight of cycle consistency, back to the age of the picture; 0 leaves it out."""
    adversarial: UnpairedAdversarial = UnpairedAdversarial()
    """The discriminator of pictures and their ages."""
    noise: Literal["stored", "fresh"] = "fresh"
    """Noise of the decoder in training."""
    mirror: bool = True
    """Whether flipped pictures are used too."""
    photos: int = Field(default=16, ge=1)
    """Held-out pictures of the validation, spread over their ages."""
    ages: tuple[float, ...] = (10, 30, 50, 70)
    """Target ages of the validation."""

    @field_validator("ages")
    @classmethod
    def _named(cls, ages: tuple[float, ...]) -> tuple[float, ...]:
        if not ages:
            raise ValueError("name at least one age")
        return ages

    def placed(self, phases: Sequence[tuple[str, int]]) -> "UnpairedTable":
        """Its schedules fitted to the phases, by name and steps."""
        losses = tuple(
            loss.model_copy(update={"weight": loss.weight.placed(phases)}) for loss in self.loss
        )
        return self.model_copy(update={"loss": losses, "cycle": self.cycle.placed(phases)})


class UnpairedPriorTask(TaskInPasses):
    """The trained parts are `ageing`, the prior's encoder, and `discriminator`, if it has weight.

    load: reads the pictures; left_out: losses that need a distance which the recipe does not name;
    evaluator: estimates ages in the validation, in no loss; networks: frozen, by role; facts: of
    the delivered checkpoint.
    """

    freeze_batch_norm = True

    def __init__(
        self,
        machine: TimeMachine,
        discriminator: NanoDiscriminator,
        load: Load,
        context: LossContext,
        settings: UnpairedTable,
        *,
        left_out: Sequence[str],
        evaluator: AgeEstimator | None,
        networks: dict[str, nn.Module],
        facts: dict[str, Any],
    ) -> None:
        if machine.encoder is None:
            raise ValueError("the prior needs an encoder to train")
        self.machine, self.load, self.settings = machine, load, settings
        self.loss_context, self.left_out = context, left_out
        self.evaluator, self.facts = evaluator, facts
        self.parts: dict[str, nn.Module] = {"ageing": machine.encoder}
        self.optimizer_steps = {"ageing": ("ageing",)}
        if settings.adversarial.needs_discriminator:
            # The discriminator comes second and reuses the output: one pass a step.
            self.parts["discriminator"] = discriminator
            self.optimizer_steps["discriminator"] = ("discriminator",)
        self.adversary = PortraitAdversary(discriminator, settings.adversarial)
        self.frozen = {
            "psp": machine.psp,
            "sam": machine.sam,
            "decoder": machine.decoder.requires_grad_(False).eval(),
            **networks,
        }
        self.best = Best(metric="ageing", goal="max") if evaluator is not None else None
        self.last_output: tuple[int, Tensor] | None = None

    @property
    def size(self) -> int:
        """Side in px of the input of the encoders and of the losses."""
        return self.machine.psp.shape.size

    def prepare(self, progress: Progress) -> None:
        """Read or render the pictures."""
        self.split = self.load(progress)
        train = self.split.train
        self.age_range = Span(train.youngest, train.oldest)
        for name in self.left_out:
            progress.remark(
                f"the loss `{name}` is left out: the recipe has no `networks.perceptual`"
            )

    def precompute(self, device: torch.device, progress: Progress) -> None:
        """Move the frozen networks to the device."""
        self.machine.to(device)
        self.loss_context = self.loss_context.to(device)
        check(self.settings.loss, self.loss_context)

    def coupling(self) -> str | None:
        """Why a batch cannot be computed part by part; None where there is no discriminator."""
        if "discriminator" not in self.parts:
            return None
        return "the discriminator reuses what the prior made of the whole batch"

    def batch(self, context: StepContext, batch: int) -> Batch:
        """Pictures, flipped or not, their ages and their target ages."""
        photos, settings = self.split.train, self.settings
        rows = context.draws.shuffled(len(photos), batch=batch)
        return targeted_batch(
            photos, rows, context, settings.targets, mirror=settings.mirror, known=self.age_range
        )

    def backward_passes(
        self, optimizer_step: str, batch: Batch, context: StepContext
    ) -> Iterator[dict[str, Term]]:
        """To the target age, then from the output back to the age of the picture."""
        if optimizer_step == "discriminator":
            yield self._discriminator_terms(batch, context)
            return
        photo = batch["photo"]
        output, w_plus = self._aged(photo, batch["target"], context)
        self.last_output = (context.step, output.detach())
        terms = self._sam_terms("real", batch, output, w_plus, context, 1.0)
        if self.settings.adversarial.needs_discriminator:
            adversarial = self.adversary.generator_terms(output, photo, context, batch["target"])
            terms["adversarial"] = adversarial["adversarial"]
        yield terms
        weight = self.settings.cycle.at(context.step)
        if weight:
            # No gradient passes through the output (SAM, section 3.2).
            back, w_plus = self._aged(output.detach(), batch["age"], context)
            yield self._sam_terms("cycle", batch, back, w_plus, context, weight)

    def _discriminator_terms(self, batch: Batch, context: StepContext) -> dict[str, Term]:
        """Pictures at their own ages are real; outputs at their target ages are not."""
        if self.last_output is not None and self.last_output[0] == context.step:
            output = self.last_output[1]
        else:
            with torch.no_grad():
                output, _ = self._aged(batch["photo"], batch["target"], context)
        adversary, photo = self.adversary, batch["photo"]
        return adversary.discriminator_terms(
            photo, output, context, batch["age"], generated_ages=batch["target"]
        )

    def _aged(self, photo: Tensor, ages: Tensor, context: StepContext) -> tuple[Tensor, Tensor]:
        """The output at the encoders' size, and its codes."""
        with torch.no_grad():
            inverted = self.machine.invert(photo).float()
        w_plus = self.machine.codes(photo, ages, inverted=inverted)
        decoder = self.machine.decoder
        if self.settings.noise == "stored":
            picture = decoder(w_plus, noise="stored")
        else:
            planes = [
                context.draws.normal(f"noise/{index}", *plane.shape[1:]).to(w_plus.device)
                for index, plane in enumerate(decoder.stored_noise())
            ]
            picture = decoder(w_plus, noise=planes)
        return F.adaptive_avg_pool2d(picture.float(), self.size), w_plus.float()

    def _sam_terms(
        self,
        direction: Direction,
        batch: Batch,
        output: Tensor,
        w_plus: Tensor,
        context: StepContext,
        share: float,
    ) -> dict[str, Term]:
        cycle = direction == "cycle"
        inputs = LossInputs(
            source=batch["photo"],
            output=output,
            source_age=batch["age"],
            target_age=batch["age"] if cycle else batch["target"],
            w_plus=w_plus,
            w_prior=None,
            latent_average=self.machine.latent_average,
            direction=direction,
            same_age=torch.ones_like(batch["same"]) if cycle else batch["same"],
            context=self.loss_context,
            draws=context.draws,
        )
        total = total_loss(inputs, self.settings.loss, context.step)
        terms = {name: Term(value, 0.0) for name, value in total.metrics.items()}
        return terms | {n: Term(one.value, one.weight * share) for n, one in total.terms.items()}

    @torch.no_grad()
    def validate(self, nets: Nets, device: torch.device) -> dict[str, float]:
        """Held-out pictures at their own age and at others; ages by a network that is in no loss.

        `reconstruction_*`: at their own age, against themselves; `aged_identity`: mean cosine of
        the outputs to their picture; `age_error`: years between target and estimate;
        `age_response`: the share of the change asked for that is seen; `ageing`: identity times
        exp(-(age error / 10)^2 / 2) times response, which picks the best.
        """
        model, test = self._delivered(nets), self.split.test
        rows = _spread(test, self.settings.photos)
        photos = test.tensor(rows).to(device)
        ages = torch.from_numpy(test.ages[rows]).to(device)
        identity = required(self.loss_context.identity, "identity")
        own, again = identity.embed(photos), self._shown(model, photos, ages)
        aged = [
            self._shown(model, photos, torch.full_like(ages, age)) for age in self.settings.ages
        ]
        cosines = torch.stack([(identity.embed(one) * own).sum(dim=1) for one in aged])
        metrics = {
            "reconstruction_identity": float((identity.embed(again) * own).sum(dim=1).mean()),
            "reconstruction_l2": float((again - photos).square().mean()),
            "aged_identity": float(cosines.mean()),
        }
        if self.evaluator is None:
            return metrics
        after = torch.stack([self.evaluator.years(one).cpu() for one in aged], dim=1)
        before = self.evaluator.years(photos).cpu()
        goals = torch.tensor(self.settings.ages)
        error = float((after - goals).abs().mean())
        unchanged = float((before[:, None] - goals).abs().mean())
        response = age_response(ages.cpu(), goals, before, after)
        near = math.exp(-((error / AGE_SCALE) ** 2) / 2)
        return metrics | {
            "age_error": error,
            "age_error_unchanged": unchanged,
            "age_response": response,
            "ageing": metrics["aged_identity"] * near * response,
        }

    @torch.no_grad()
    def sample(self, nets: Nets, device: torch.device) -> np.ndarray | None:
        """A row per held-out picture: the picture, then the same at the ages of the validation."""
        model, lines = self._delivered(nets), list[np.ndarray]()
        for row in _spread(self.split.test, SHOWN):
            photo = self.split.test.tensor([row]).to(device)
            outputs = [
                self._shown(model, photo, torch.tensor([age], device=device))[0]
                for age in self.settings.ages
            ]
            lines.append(np.concatenate([to_pixels(one) for one in [photo[0], *outputs]], axis=1))
        return np.concatenate(lines)

    def checkpoint(self, nets: Nets) -> Checkpoint:
        """The whole ageing model: the prior, the inversion and the generator."""
        machine = self.machine
        parts = {"encoder": nets["ageing"], "pretrained_encoder": machine.psp}
        parts["decoder"] = machine.decoder
        return Checkpoint(
            "native",
            {name: net.state_dict() for name, net in parts.items()},
            latent_avg=machine.latent_average,
            facts={"task": "prior", "encoder_size": self.size, **self.facts},
        )

    def _delivered(self, nets: Nets) -> TimeMachine:
        encoder = nets["ageing"]
        assert isinstance(encoder, StyleEncoder)
        return self.machine.with_parts(encoder=encoder, adapter=None, decoder=self.machine.decoder)

    def _shown(self, model: TimeMachine, photos: Tensor, ages: Tensor) -> Tensor:
        return F.adaptive_avg_pool2d(model(photos, ages).image.float(), self.size)


def _spread(photos: Photos, count: int) -> list[int]:
    """Rows spread over the ages."""
    order = np.argsort(photos.ages, kind="stable")
    places = np.linspace(0, len(order) - 1, min(count, len(order))).round().astype(int)
    return [int(row) for row in order[places]]
