"""Learn how one person ages, on top of a frozen global ageing prior.

The step is SAM's (Alaluf et al. 2021), real and back, on MyTimeMachine's model (Qi et al. 2025).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
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
from engine.data.targets.base import TargetAges
from engine.losses.face.base import FaceLoss, TotalLoss, check, total_loss
from engine.losses.face.context import LossContext, References
from engine.losses.face.inputs import Direction, LossInputs
from engine.miners.base import MinerChoice
from engine.nets.adapter import Adapter
from engine.nets.protocols import AgeEstimator
from engine.nets.style import StyleDecoder, StyleEncoder
from engine.nets.timemachine import TimeMachine
from engine.schedules import Schedule
from engine.training.photos import Photos, Sides, read_photos
from engine.training.task import Batch, Best, Nets, StepContext, Task, Term
from engine.trainings.personal.prior_codes import PriorCodes
from engine.trainings.personal.status import noted
from engine.trainings.personal.validation import Check, checked, sheet
from engine.weights.checkpoint import Checkpoint

TRAINED = ("trained_encoder", "adapter", "decoder")
FEWEST = 8
"""Photos that are learned from at least, those nearest in age where fewer lie within."""
Noise = Literal["stored", "fresh"]


@dataclass(frozen=True, slots=True)
class PersonalAim:
    """What is asked for: target ages, losses, the weight of the way back, noise of the decoder."""

    targets: TargetAges
    losses: tuple[FaceLoss, ...]
    cycle: Schedule
    noise: Noise = "fresh"
    mirror: bool = True
    photo_ages: Span | None = None
    """Ages of the photos that are learned from, all if None."""
    absent: tuple[str, ...] = ()
    """Losses of the recipe that are left out, for want of a distance."""


class PersonalTask(Task):
    """The trainable parts are `trained_encoder` (where the model has one), `adapter`, `decoder`.

    facts: what a reader of the delivered weights must know, such as where the frozen prior is.
    """

    keeps_statistics = True

    def __init__(
        self,
        machine: TimeMachine,
        photos: Path,
        parts: LossContext,
        aim: PersonalAim,
        *,
        impostors: tuple[MinerChoice, Bank] | None,
        judge: AgeEstimator | None,
        judging: Check,
        networks: dict[str, nn.Module],
        facts: dict[str, Any],
    ) -> None:
        self.machine, self.folder = machine, photos
        self.data, self.aim = parts, aim
        self.impostors = impostors
        self.judge, self.judging, self.facts = judge, judging, facts
        self.parts = learning(machine)
        self.frozen = {"psp": machine.psp, "sam": machine.sam, **networks}
        self.optimizer_steps = {"main": tuple(self.parts)}
        self.best = Best(metric="ageing", goal="max")

    @property
    def size(self) -> int:
        """Side in px of what the encoders read and the losses see."""
        return self.machine.psp.shape.size

    def prepare(self, progress: Progress) -> None:
        """Read the photos."""
        self.sides: Sides = read_photos(self.folder, self.size, progress)
        photos = self.sides.train
        self.known = Span(photos.youngest, photos.oldest)
        ages = [photos.youngest, photos.oldest, *self.facts.get("ages", ())]
        self.facts["ages"] = [min(ages), max(ages)]
        self.rows = _within(photos.ages, self.aim.photo_ages)
        for name in self.aim.absent:
            progress.remark(f"the loss `{name}` is absent: the recipe has no `distance`")
        for warning in warnings_of(self.impostors[1]) if self.impostors is not None else ():
            progress.remark(warning)

    def precompute(self, device: torch.device, progress: Progress) -> None:
        """Invert and embed every photo and its flip, once for all."""
        self.machine.to(device)
        photos = self.sides.train
        rows = torch.arange(len(photos))
        inverted: list[Tensor] = []
        embedded: list[Tensor] = []
        points: list[Tensor] = []
        identity_net, reader = self.data.identity, self.data.landmarks
        with reported(progress, "Looking at the photos", len(photos)), torch.no_grad():
            for row in rows:
                pair = photos.tensor(row.repeat(2), torch.tensor([False, True])).to(device)
                # One by one: what a photo's codes are must not depend on its neighbours.
                inverted += [self.machine.invert(one[None]).float() for one in pair]
                if identity_net is not None:
                    embedded += [identity_net.embed(one[None]).float() for one in pair]
                if reader is not None:
                    points += [reader.points(one[None]).float() for one in pair]
                progress.advance()
        self.cached = {"inverted": torch.cat(inverted)}
        ages = torch.from_numpy(photos.ages)
        if identity_net is not None:
            self.cached["embedding"] = torch.cat(embedded)
            own = torch.cat(embedded[0::2])
            references = References(own, ages.to(device), identity_net.digest)
            self.data = replace(self.data, references=references)
        if reader is not None:
            self.cached[f"points/{reader.name}"] = torch.cat(points)
        else:  # what the photos were aligned by; without it, where features usually are
            self.cached["points"] = photos.both_points().to(device)
        if self.impostors is not None:
            choice, bank = self.impostors
            self.data = replace(self.data, miner=choice.build(bank, device))
        self.data = self.data.to(device)
        self.prior_codes = PriorCodes(self.machine)
        check(self.aim.losses, self.data)

    def batch(self, context: StepContext, batch: int) -> Batch:
        """Photos, flipped or not, their ages and the ages they are taken to."""
        photos, draws = self.sides.train, context.draws
        rows = self.rows[draws.shuffled(len(self.rows), batch=batch)]
        mirrored = draws.uniform("mirrored") < (0.5 if self.aim.mirror else 0.0)
        ages = torch.from_numpy(photos.ages)[rows]
        wanted = self.aim.targets.sample(ages, draws, step=context.step, known=self.known)
        return {
            "photo": photos.tensor(rows, mirrored),
            "row": 2 * rows + mirrored.long(),
            "age": ages,
            "target": wanted.ages,
            "same": wanted.same,
        }

    def terms(self, optimizer_step: str, batch: Batch, context: StepContext) -> dict[str, Term]:
        """Both directions; `backward_passes` does them one after the other in half the memory."""
        return {
            name: t
            for part in self.backward_passes(optimizer_step, batch, context)
            for name, t in part.items()
        }

    def backward_passes(
        self, optimizer_step: str, batch: Batch, context: StepContext
    ) -> Iterator[dict[str, Term]]:
        """The photo to its target age, then what was made back to the photo's age."""
        rows = batch["row"]
        inverted = self.cached["inverted"][rows]
        cached = {name: held[rows] for name, held in self.cached.items() if name != "inverted"}
        prior = None
        if self._reads_prior("real", context):
            prior = self.prior_codes.at(rows, batch["photo"], batch["target"], inverted)
        output, w_plus = self._made(batch["photo"], batch["target"], inverted, prior, context)
        trial = self._trial("real", batch, output, w_plus, prior, cached, context)
        yield _terms(total_loss(trial, self.aim.losses, context.step), 1.0)
        cycle = self.aim.cycle.at(context.step)
        if not cycle:
            return
        made = output.detach()
        with torch.no_grad():
            inverted = self.machine.invert(made).float()
            prior = None
            if self._reads_prior("cycle", context):
                prior = self.machine.prior(made, batch["age"], inverted).float()
        output, w_plus = self._made(made, batch["age"], inverted, prior, context)
        trial = self._trial("cycle", batch, output, w_plus, prior, cached, context)
        yield _terms(total_loss(trial, self.aim.losses, context.step), cycle)

    def _reads_prior(self, direction: Direction, context: StepContext) -> bool:
        """Whether the prior's codes are needed: by a loss, or as what the adapter stands on."""
        return self.machine.encoder is None or any(
            loss.reads_prior and direction in loss.on and loss.weight.at(context.step) != 0
            for loss in self.aim.losses
        )

    def _made(
        self,
        photo: Tensor,
        target: Tensor,
        inverted: Tensor,
        prior: Tensor | None,
        context: StepContext,
    ) -> tuple[Tensor, Tensor]:
        """The picture at the encoders' size, and its codes."""
        w_plus = self.machine.codes(photo, target, inverted=inverted, prior=prior)
        decoder = self.machine.decoder
        if self.aim.noise == "stored":
            picture = decoder(w_plus, noise="stored")
        else:
            planes = [
                context.draws.normal(f"noise/{index}", *plane.shape[1:]).to(w_plus.device)
                for index, plane in enumerate(decoder.stored_noise())
            ]
            picture = decoder(w_plus, noise=planes)
        return F.adaptive_avg_pool2d(picture, self.size), w_plus

    def _trial(
        self,
        direction: Direction,
        batch: Batch,
        output: Tensor,
        w_plus: Tensor,
        prior: Tensor | None,
        cached: dict[str, Tensor],
        context: StepContext,
    ) -> LossInputs:
        back = direction == "cycle"
        return LossInputs(
            source=batch["photo"],
            output=output.float(),
            source_age=batch["age"],
            target_age=batch["age"] if back else batch["target"],
            w_plus=w_plus.float(),
            w_prior=prior,
            latent_average=self.machine.latent_average,
            direction=direction,
            same_age=torch.ones_like(batch["same"]) if back else batch["same"],
            context=self.data,
            draws=context.draws,
            cached=cached,
        )

    def validate(self, nets: Nets, device: torch.device) -> dict[str, float]:
        """Held-out photos: the same age again, and other ages, by judges that taught nothing."""
        return checked(
            self._delivered(nets), self.sides.test, self._references(), self.judging, self.judge
        )

    def sample(self, nets: Nets, device: torch.device) -> np.ndarray | None:
        """Held-out photos, and the same at the ages of the validation."""
        return sheet(self._delivered(nets), self.sides.test, self.judging.ages(self.known))

    def noted(self, step: int, figures: Mapping[str, float]) -> dict[str, str]:
        """The miner's figures, and the weights that change."""
        choice = self.impostors[0] if self.impostors is not None else None
        return noted(self.aim.losses, choice, step, figures)

    def checkpoint(self, nets: Nets) -> Checkpoint:
        """The trained parts; the frozen prior is named in the facts and read from its own file."""
        return Checkpoint(
            "native",
            {name: net.state_dict() for name, net in nets.items()},
            facts={"task": "personal", **self.facts},
        )

    def _references(self) -> tuple[LossContext, Photos]:
        return self.data, self.sides.train

    def _delivered(self, nets: Nets) -> TimeMachine:
        """The model with these nets in the place of the ones that learn."""
        encoder, adapter, decoder = (nets.get(name) for name in TRAINED)
        assert encoder is None or isinstance(encoder, StyleEncoder)
        assert adapter is None or isinstance(adapter, Adapter)
        assert isinstance(decoder, StyleDecoder)
        return self.machine.with_parts(encoder=encoder, adapter=adapter, decoder=decoder)


def learning(machine: TimeMachine) -> dict[str, nn.Module]:
    """The parts of a machine that a personal training can move, by name."""
    found = zip(TRAINED, (machine.encoder, machine.adapter, machine.decoder), strict=True)
    return {name: net for name, net in found if net is not None}


def _terms(found: TotalLoss, share: float) -> dict[str, Term]:
    told = {name: Term(value, 0.0) for name, value in found.metrics.items()}
    return told | {
        name: Term(term.value, term.weight * share) for name, term in found.terms.items()
    }


def _within(ages: np.ndarray, span: Span | None) -> Tensor:
    """Rows of the photos with ages (n,) within the span."""
    if span is None:
        return torch.arange(len(ages))
    off = np.maximum(span.low - ages, ages - span.high).clip(min=0)
    limit = np.sort(off)[: min(FEWEST, len(ages))].max()
    return torch.from_numpy(np.flatnonzero(off <= limit))
