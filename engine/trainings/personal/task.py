"""Train how one person ages, on top of a frozen global ageing prior.

The step is SAM's (Alaluf et al. 2021) with its cycle, on MyTimeMachine's model (Qi et al. 2025).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.banks.bank import Bank
from engine.banks.people import warnings_of
from engine.core.numbers import Span
from engine.core.progress import Progress, reported
from engine.core.table import Table
from engine.data.targets.base import TargetChoice
from engine.losses.face.base import LossChoice, TotalLoss, check, total_loss
from engine.losses.face.context import LossContext, References
from engine.losses.face.inputs import Direction, LossInputs
from engine.miners.base import MinerChoice
from engine.nets.adapter import Adapter
from engine.nets.protocols import AgeEstimator
from engine.nets.style import StyleDecoder, StyleEncoder
from engine.nets.timemachine import TimeMachine
from engine.schedules import ScheduleValue, parse_schedule
from engine.training.photos import Photos, SplitPhotos, read_photos
from engine.training.task import Batch, Best, Nets, StepContext, TaskInPasses, Term
from engine.trainings.personal.prior_codes import PriorCodes
from engine.trainings.personal.status import miner_warnings, status_groups
from engine.trainings.personal.validation import ValidationSettings, evaluate, sheet
from engine.trainings.targeted import targeted_batch
from engine.weights.checkpoint import Checkpoint

TRAINED = ("trained_encoder", "adapter", "decoder")
FEWEST = 8
"""Photos in a training at least: those nearest in age where fewer lie within `photo_ages`."""


class PersonalSettings(Table):
    """Target ages, losses, and how photos and outputs are made."""

    targets: TargetChoice
    """Which ages the photos are taken to."""
    loss: tuple[LossChoice, ...]
    """The terms of the total loss."""
    cycle: ScheduleValue = parse_schedule(1.0)
    """Weight of cycle consistency, back to the photo's age; 0 leaves it out."""
    noise: Literal["stored", "fresh"] = "fresh"
    """Noise of the decoder in training; the delivered model uses the stored planes."""
    mirror: bool = True
    """Whether flipped photos are used too."""
    photo_ages: Span | None = None
    """Ages of the photos in the training; all if absent."""
    validation: ValidationSettings = ValidationSettings()


class PersonalTask(TaskInPasses):
    """The trained parts are `trained_encoder` (where the model has one), `adapter`, `decoder`.

    remarks: what of the recipe is not used, and why; impostors: miner and bank, where a loss mines;
    evaluator: estimates ages in the validation; networks: frozen, by role; facts: of the
    delivered checkpoint, such as where the frozen prior is.
    """

    freeze_batch_norm = True

    def __init__(
        self,
        machine: TimeMachine,
        photos: Path,
        context: LossContext,
        settings: PersonalSettings,
        *,
        remarks: Sequence[str] = (),
        impostors: tuple[MinerChoice, Bank] | None,
        evaluator: AgeEstimator | None,
        networks: dict[str, nn.Module],
        facts: dict[str, Any],
    ) -> None:
        self.machine, self.folder = machine, photos
        self.loss_context, self.settings = context, settings
        self.remarks, self.impostors = remarks, impostors
        self.evaluator, self.facts = evaluator, facts
        self.parts = trained_parts(machine)
        self.frozen = {"psp": machine.psp, "sam": machine.sam, **networks}
        self.optimizer_steps = {"main": tuple(self.parts)}
        evaluated = evaluator is not None and settings.validation.aged
        self.best = Best(metric="ageing", goal="max") if evaluated else None

    @property
    def size(self) -> int:
        """Side in px of the input of the encoders and of the losses."""
        return self.machine.psp.shape.size

    def prepare(self, progress: Progress) -> None:
        """Read the photos."""
        self.split: SplitPhotos = read_photos(self.folder, self.size, progress)
        by_points = any(loss.kind == "roi_id" for loss in self.settings.loss)
        if by_points and self.loss_context.landmarks is None:
            with_landmarks = self.split.train.with_landmarks(progress)
            self.split = replace(self.split, train=with_landmarks)
        photos = self.split.train
        self.age_range = Span(photos.youngest, photos.oldest)
        ages = [photos.youngest, photos.oldest, *self.facts.get("ages", ())]
        self.facts["ages"] = [min(ages), max(ages)]
        self.rows = _rows_within(photos.ages, self.settings.photo_ages)
        for remark in self.remarks:
            progress.remark(remark)
        for doubt in warnings_of(self.impostors[1]) if self.impostors is not None else ():
            progress.remark(doubt)

    def precompute(self, device: torch.device, progress: Progress) -> None:
        """Invert and embed every photo and its flip."""
        self.machine.to(device)
        photos = self.split.train
        rows = torch.arange(len(photos))
        inverted: list[Tensor] = []
        embedded: list[Tensor] = []
        points: list[Tensor] = []
        identity, landmarks = self.loss_context.identity, self.loss_context.landmarks
        with reported(progress, "Inverting the photos", len(photos)), torch.no_grad():
            for row in rows:
                pair = photos.tensor(row.repeat(2), torch.tensor([False, True])).to(device)
                # One by one: in a batch the last bits of a photo's codes depend on the others.
                inverted += [self.machine.invert(one[None]).float() for one in pair]
                if identity is not None:
                    embedded += [identity.embed(one[None]).float() for one in pair]
                if landmarks is not None:
                    points += [landmarks.points(one[None]).float() for one in pair]
                progress.advance()
        self.cached = {"inverted": torch.cat(inverted)}
        ages = torch.from_numpy(photos.ages)
        if identity is not None:
            self.cached["embedding"] = torch.cat(embedded)
            own = torch.cat(embedded[0::2])
            references = References(own, ages.to(device), identity.digest)
            self.loss_context = replace(self.loss_context, references=references)
        if landmarks is not None:
            self.cached[f"points/{landmarks.name}"] = torch.cat(points)
        else:  # those that the photos were aligned by; NaN where the manifest has none
            self.cached["points"] = photos.landmarks_and_flips().to(device)
        if self.impostors is not None:
            choice, bank = self.impostors
            self.loss_context = replace(self.loss_context, miner=choice.build(bank, device))
        self.loss_context = self.loss_context.to(device)
        self.prior_codes = PriorCodes(self.machine)
        check(self.settings.loss, self.loss_context)

    def batch(self, context: StepContext, batch: int) -> Batch:
        """Photos, flipped or not, their ages and their target ages."""
        photos, settings = self.split.train, self.settings
        rows = self.rows[context.draws.shuffled(len(self.rows), batch=batch)]
        return targeted_batch(
            photos, rows, context, settings.targets, mirror=settings.mirror, known=self.age_range
        )

    def backward_passes(
        self, optimizer_step: str, batch: Batch, context: StepContext
    ) -> Iterator[dict[str, Term]]:
        """From the photo to its target age, then from the output back to the photo's age."""
        rows = batch["row"]
        inverted = self.cached["inverted"][rows]
        cached = {name: values[rows] for name, values in self.cached.items() if name != "inverted"}
        prior = None
        if self._reads_prior("real", context):
            prior = self.prior_codes.at(rows, batch["photo"], batch["target"], inverted)
        output, w_plus = self._forward(batch["photo"], batch["target"], inverted, prior, context)
        inputs = self._loss_inputs("real", batch, output, w_plus, prior, cached, context)
        yield _terms(total_loss(inputs, self.settings.loss, context.step), 1.0)
        cycle = self.settings.cycle.at(context.step)
        if not cycle:
            return
        aged = output.detach()
        with torch.no_grad():
            inverted = self.machine.invert(aged).float()
            prior = None
            if self._reads_prior("cycle", context):
                prior = self.machine.prior(aged, batch["age"], inverted).float()
        output, w_plus = self._forward(aged, batch["age"], inverted, prior, context)
        inputs = self._loss_inputs("cycle", batch, output, w_plus, prior, cached, context)
        yield _terms(total_loss(inputs, self.settings.loss, context.step), cycle)

    def _reads_prior(self, direction: Direction, context: StepContext) -> bool:
        """Whether the prior's codes are needed: by a loss, or as the input of the adapter."""
        return self.machine.encoder is None or any(
            loss.reads_prior and direction in loss.on and loss.weight.at(context.step) != 0
            for loss in self.settings.loss
        )

    def _forward(
        self,
        photo: Tensor,
        target: Tensor,
        inverted: Tensor,
        prior: Tensor | None,
        context: StepContext,
    ) -> tuple[Tensor, Tensor]:
        """The output at the encoders' size, and its codes."""
        w_plus = self.machine.codes(photo, target, inverted=inverted, prior=prior)
        decoder = self.machine.decoder
        if self.settings.noise == "stored":
            picture = decoder(w_plus, noise="stored")
        else:
            planes = [
                context.draws.normal(f"noise/{index}", *plane.shape[1:]).to(w_plus.device)
                for index, plane in enumerate(decoder.stored_noise())
            ]
            picture = decoder(w_plus, noise=planes)
        return F.adaptive_avg_pool2d(picture, self.size), w_plus

    def _loss_inputs(
        self,
        direction: Direction,
        batch: Batch,
        output: Tensor,
        w_plus: Tensor,
        prior: Tensor | None,
        cached: dict[str, Tensor],
        context: StepContext,
    ) -> LossInputs:
        cycle = direction == "cycle"
        return LossInputs(
            source=batch["photo"],
            output=output.float(),
            source_age=batch["age"],
            target_age=batch["age"] if cycle else batch["target"],
            w_plus=w_plus.float(),
            w_prior=prior,
            latent_average=self.machine.latent_average,
            direction=direction,
            same_age=torch.ones_like(batch["same"]) if cycle else batch["same"],
            context=self.loss_context,
            draws=context.draws,
            photo=batch["row"] // 2,
            cached=cached,
        )

    def validate(self, nets: Nets, device: torch.device) -> dict[str, float]:
        """Held-out photos at their own age and at others; ages by a network that is in no loss."""
        return evaluate(
            self._delivered(nets),
            self.split.test,
            self._references(),
            self.settings.validation,
            self.evaluator,
        )

    def sample(self, nets: Nets, device: torch.device) -> np.ndarray | None:
        """Held-out photos, and the same at the ages of the validation."""
        ages = self.settings.validation.ages(self.age_range)
        return sheet(self._delivered(nets), self.split.test, ages)

    def status(self, step: int, metrics: Mapping[str, float]) -> dict[str, str]:
        """The miner's metrics, and the weights that change."""
        choice = self.impostors[0] if self.impostors is not None else None
        return status_groups(self.settings.loss, choice, step, metrics)

    def warnings(self, metrics: Mapping[str, float]) -> Sequence[str]:
        """The impostors are not those that the recipe asks for."""
        choice = self.impostors[0] if self.impostors is not None else None
        return miner_warnings(choice, metrics)

    def checkpoint(self, nets: Nets) -> Checkpoint:
        """The trained parts; the frozen prior is named in the facts and read from its own file."""
        return Checkpoint(
            "native",
            {name: net.state_dict() for name, net in nets.items()},
            facts={"task": "personal", **self.facts},
        )

    def _references(self) -> tuple[LossContext, Photos]:
        return self.loss_context, self.split.train

    def _delivered(self, nets: Nets) -> TimeMachine:
        """The model with these networks in place of the trained parts."""
        encoder, adapter, decoder = (nets.get(name) for name in TRAINED)
        assert encoder is None or isinstance(encoder, StyleEncoder)
        assert adapter is None or isinstance(adapter, Adapter)
        assert isinstance(decoder, StyleDecoder)
        return self.machine.with_parts(encoder=encoder, adapter=adapter, decoder=decoder)


def trained_parts(machine: TimeMachine) -> dict[str, nn.Module]:
    """The parts of a model that a personal training can train, by name."""
    parts = zip(TRAINED, (machine.encoder, machine.adapter, machine.decoder), strict=True)
    return {name: net for name, net in parts if net is not None}


def _terms(losses: TotalLoss, share: float) -> dict[str, Term]:
    metrics = {name: Term(value, 0.0) for name, value in losses.metrics.items()}
    return metrics | {
        name: Term(term.value, term.weight * share) for name, term in losses.terms.items()
    }


def _rows_within(ages: np.ndarray, span: Span | None) -> Tensor:
    """Rows of the photos with ages (n,) within the span, at least `FEWEST`."""
    if span is None:
        return torch.arange(len(ages))
    distance = np.maximum(span.low - ages, ages - span.high).clip(min=0)
    limit = np.sort(distance)[: min(FEWEST, len(ages))].max()
    return torch.from_numpy(np.flatnonzero(distance <= limit))
