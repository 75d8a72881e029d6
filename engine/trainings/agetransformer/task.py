"""Train an AgeTransformer: one face in, every anchor age out (`specs/agetransformer.md` 1.9)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from engine.core.numbers import AGE_CAP
from engine.core.progress import Progress
from engine.data.anchors import Anchors
from engine.data.label_curriculum import LabelCurriculum
from engine.data.labelled import FaceSource
from engine.losses.adversarial import (
    discriminator_loss,
    feature_matching,
    generator_loss,
    r1_penalty,
)
from engine.losses.face.age_gap import age_gap_weight
from engine.losses.pixel import gradient_l1, pyramid_l1
from engine.losses.soft_labels import soft_cross_entropy
from engine.losses.texture import texture_l1
from engine.nets.protocols import AgeEstimator, Distance, IdentityNetwork, ImageTower
from engine.training.task import Batch, Best, Nets, StepContext, Task, Term
from engine.trainings.agetransformer.captions import find_captions
from engine.trainings.agetransformer.guidance import TowerJudge, VlmGuidance
from engine.trainings.agetransformer.sampling import AgeDraws
from engine.trainings.agetransformer.validation import COST, FEATURE_DISTANCE, AgeExam
from engine.weights.checkpoint import Checkpoint

CRITICS = {1: "discriminator", 2: "discriminator"}
"""The discriminator's name in a checkpoint, by version: the published file says `discriminator`."""
OUTLINE = "outline"
"""The phase of this name learns from the truth's pixels alone, at a third of the cost: what changes
shape is right before texture and a discriminator are asked."""


@dataclass(frozen=True, slots=True)
class AgeAim:
    """Weights of the losses; a weight of 0 leaves a loss out.

    Against the truth, where a renderer knows it: pixel, gradient, texture, matching, perceptual.
    Without one: reconstruction and cycle, with `perceptual` on both. By networks:
    adversarial, ages (classes), age (years), identity. By an image tower, off unless
    asked for: direction, attributes.
    """

    pixel: float = 20.0
    gradient: float = 3.0
    texture: float = 1.5
    matching: float = 0.4
    perceptual: float = 3.0
    adversarial: float = 1.0
    ages: float = 1.0
    age: float = 5.0
    identity: float = 1.0
    direction: float = 0.0
    attributes: float = 0.0
    reconstruction: float = 8.0
    cycle: float = 8.0
    cycle_every: int = 1
    critic_ages: float = 1.2
    r1: float = 10.0
    r1_every: int = 16
    r1_pictures: int = 8
    warm_up: int = 150


@dataclass(frozen=True, slots=True, eq=False)
class AgeNets:
    """What learns, and who judges; a judge that no loss needs may be missing.

    generator: portraits (n, 3, s, s) and anchor weights (n, ages, k) to (n, ages, 3, s, s);
    discriminator: pictures (b, 3, s, s) and weights (b, k) to its output;
    frozen: the networks behind the
    judges, to be moved to the device; scorer: reads ages for the validation, and is in no loss;
    tower: only for the losses that go by one.
    """

    generator: nn.Module
    discriminator: nn.Module
    identity: IdentityNetwork | None = None
    age: AgeEstimator | None = None
    looks: Distance | None = None
    scorer: AgeEstimator | None = None
    tower: ImageTower | None = None
    frozen: dict[str, nn.Module] = field(default_factory=dict[str, nn.Module])


class AgeTransformerTask(Task):
    """A face and target ages; its label is soft, its truth may be known.

    With a truth (a world that renders the same photograph at several ages), each step draws all
    known ages of a photograph from one encoding. Without one, the target is an anchor other than
    the label's, and the way back and the discriminator teach.
    """

    def __init__(
        self,
        nets: AgeNets,
        sources: tuple[FaceSource, FaceSource],
        anchors: Anchors,
        aim: AgeAim,
        *,
        curriculum: LabelCurriculum,
        truth: bool,
        facts: Mapping[str, Any],
        guidance: VlmGuidance = VlmGuidance(),
    ) -> None:
        self.nets, self.sources, self.anchors, self.aim = nets, sources, anchors, aim
        self.curriculum, self.facts = curriculum, facts
        self.parts = {"generator": nets.generator, "discriminator": nets.discriminator}
        self.frozen = nets.frozen
        for net in (*self.parts.values(), *self.frozen.values()):
            if all(parameter.dim() < 5 for parameter in net.parameters()):
                net.to(memory_format=torch.channels_last)
        # The discriminator comes second and judges what was just drawn: one drawing a step.
        self.optimizer_steps = {"generator": ("generator",), "discriminator": ("discriminator",)}
        self.best = Best(metric=FEATURE_DISTANCE if truth else COST, goal="min")
        self.drawn: tuple[int, list[tuple[Tensor, Tensor]]] | None = None
        self.guidance, self.judge = guidance, None
        if nets.tower is not None:
            self.judge = TowerJudge(nets.tower, aim.direction, aim.attributes, guidance.per_age)

    def prepare(self, progress: Progress) -> None:
        """Read or render both sets."""
        learn, check = (source.load(progress) for source in self.sources)
        told, withheld = self.guidance.captions, self.guidance.withheld
        captions = None if told is None else find_captions(learn.names, Path(told), progress)
        self.draws = AgeDraws.of(learn, self.anchors, self.curriculum, captions, withheld=withheld)
        self.exam = AgeExam(check, self.anchors, self.nets.scorer, self.nets.identity)

    def precompute(self, device: torch.device, progress: Progress) -> None:
        """Learn from the labelled faces where the ages lie in the tower's features."""
        if self.judge is not None:
            self.judge.precompute(self.draws.faces, self.draws.labels, device, progress)

    def batch(self, context: StepContext, batch: int) -> Batch:
        """Faces, the ages asked for, and labels (`AgeDraws`)."""
        return self.draws.batch(context, batch)

    def terms(self, optimizer_step: str, batch: Batch, context: StepContext) -> dict[str, Term]:
        """What the aged portraits lack, or what the discriminator overlooks."""
        photo, asked = batch["photo"].contiguous(memory_format=torch.channels_last), batch["asked"]
        if optimizer_step == "discriminator":
            return {} if context.phase == OUTLINE else self._criticism(batch, context)
        outputs = self._draw(photo, asked, batch)
        terms = self._likeness(outputs, photo, batch, textured=context.phase != OUTLINE)
        if context.phase == OUTLINE:
            return terms
        aged = outputs[:, 0]
        made = [(aged, asked[:, 0])]
        if self.aim.cycle and context.step % self.aim.cycle_every == 0:
            cycled = self.nets.generator(aged, batch["own"][:, None])[:, 0]
            terms["cycle"] = Term(_l1(cycled, photo), self.aim.cycle)
            if self.nets.looks is not None and self.aim.perceptual and "truth" not in batch:
                looks = self.nets.looks(cycled.float(), photo).mean()
                terms["cycle_perceptual"] = Term(looks, self.aim.perceptual)
            made.append((cycled, batch["own"]))
        self.drawn = (context.step, [(picture.detach(), age) for picture, age in made])
        if self.judge is not None:
            terms |= self.judge.terms(aged, photo, batch)
        return terms | self._seen(made, photo, batch, context) | self._judged(aged, photo, batch)

    def _draw(self, photo: Tensor, asked: Tensor, batch: Batch) -> Tensor:
        """Pictures (b, ages, 3, s, s), guided by the photographs' captions where there are some.

        On the way back, an aged portrait is a face without a caption.
        """
        if "captions" not in batch:
            return self.nets.generator(photo, asked)
        return self.nets.generator(photo, asked, batch["captions"])

    def _likeness(
        self, outputs: Tensor, photo: Tensor, batch: Batch, *, textured: bool
    ) -> dict[str, Term]:
        """Against the truth of every age asked for, or else against the photograph itself."""
        aim = self.aim
        with torch.autocast(outputs.device.type, enabled=False):
            if "truth" not in batch:
                again = outputs[:, 1]
                terms = {"reconstruction": Term(_l1(again, photo), aim.reconstruction)}
                if self.nets.looks is not None and aim.perceptual:
                    looks = self.nets.looks(again.float(), photo).mean()
                    terms["perceptual"] = Term(looks, aim.perceptual)
                return terms
            made, truth = outputs.flatten(0, 1).float(), batch["truth"].flatten(0, 1)
            terms = {
                "pixel": Term(pyramid_l1(made, truth), aim.pixel),
                "gradient": Term(gradient_l1(made, truth), aim.gradient),
            }
            if aim.texture and textured:
                terms["texture"] = Term(texture_l1(made, truth), aim.texture)
        return terms

    def _seen(
        self,
        made: Sequence[tuple[Tensor, Tensor]],
        photo: Tensor,
        batch: Batch,
        context: StepContext,
    ) -> dict[str, Term]:
        """Against the discriminator, who is told the age and tells one."""
        aim, discriminator = self.aim, self.nets.discriminator
        if not (aim.adversarial or aim.ages or aim.matching):
            return {}
        verdicts = [discriminator(picture, age) for picture, age in made]
        weight = aim.adversarial * min(1.0, context.phase_step / max(aim.warm_up, 1))
        games = [generator_loss(verdict.logits) for verdict in verdicts]
        labels = (batch["aim_label"], batch["label"])
        told = [
            soft_cross_entropy(verdict.ages, label)
            for verdict, label in zip(verdicts, labels, strict=False)
        ]
        terms = {
            "adversarial": Term(torch.stack(games).mean(), weight),
            "ages": Term(torch.stack(told).mean(), aim.ages),
        }
        if "truth" in batch and aim.matching:
            with torch.no_grad():
                known = discriminator(_first_truth(batch), batch["asked"][:, 0])
            value = feature_matching(verdicts[0].features, known.features)
            terms["matching"] = Term(value, aim.matching)
        return terms

    def _judged(self, aged: Tensor, photo: Tensor, batch: Batch) -> dict[str, Term]:
        """By frozen networks: how old, who it is, how it looks."""
        aim, nets, terms = self.aim, self.nets, dict[str, Term]()
        target = batch["target_age"][:, 0]
        if nets.age is not None and aim.age:
            years = (nets.age.years(aged) - target) / AGE_CAP
            terms["age"] = Term(years.square().mean(), aim.age)
        if nets.identity is not None and aim.identity:
            with torch.no_grad():
                who = nets.identity.embed(photo)
            apart = 1 - (nets.identity.embed(aged) * who).sum(dim=1)
            kept = (apart * age_gap_weight(batch["source_age"], target)).mean()
            terms["identity"] = Term(kept, aim.identity)
        if nets.looks is not None and aim.perceptual and "truth" in batch:
            looks = nets.looks(aged, _first_truth(batch)).mean()
            terms["perceptual"] = Term(looks, aim.perceptual)
        return terms

    def _criticism(self, batch: Batch, context: StepContext) -> dict[str, Term]:
        discriminator, aim = self.nets.discriminator, self.aim
        real, age, label = batch["photo"], batch["own"], batch["label"]
        if "truth" in batch:
            real, age, label = _first_truth(batch), batch["asked"][:, 0], batch["aim_label"]
        seen = discriminator(real, age)
        games = [
            discriminator_loss(seen.logits, discriminator(picture, asked).logits)
            for picture, asked in self._last_drawn(batch, context)
        ]
        terms = {
            "discriminator": Term(torch.stack(games).sum(), 1.0),
            "critic_ages": Term(
                soft_cross_entropy(seen.ages, label, batch["sure"]), aim.critic_ages
            ),
        }
        if context.step % aim.r1_every == 0:
            some = age[: aim.r1_pictures]
            with torch.autocast(real.device.type, enabled=False):
                slope = r1_penalty(
                    lambda picture: discriminator(picture, some).logits,
                    real[: aim.r1_pictures].float(),
                )
            terms["r1"] = Term(slope, aim.r1 / 2 * aim.r1_every)
        return terms

    def _last_drawn(self, batch: Batch, context: StepContext) -> list[tuple[Tensor, Tensor]]:
        if self.drawn is not None and self.drawn[0] == context.step:
            return self.drawn[1]
        with torch.no_grad():
            asked = batch["asked"][:, :1]
            return [(self._draw(batch["photo"], asked, batch)[:, 0], asked[:, 0])]

    def validate(self, nets: Nets, device: torch.device) -> dict[str, float]:
        """Everybody of the check set at every age."""
        return self.exam.figures(nets["generator"], device)

    def sample(self, nets: Nets, device: torch.device) -> np.ndarray | None:
        """A few faces: the photograph, then every age; under it the truth, where it is known."""
        return self.exam.strips(nets["generator"], device)

    def checkpoint(self, nets: Nets) -> Checkpoint:
        """The generator with its discriminator, its size and its anchors."""
        return Checkpoint(
            "native",
            {
                "generator": nets["generator"].state_dict(),
                CRITICS[self.facts["version"]]: nets["discriminator"].state_dict(),
            },
            facts={"task": "agetransformer", **self.facts, **self.anchors.facts()},
        )


def _first_truth(batch: Batch) -> Tensor:
    return batch["truth"][:, 0].contiguous(memory_format=torch.channels_last)


def _l1(one: Tensor, other: Tensor) -> Tensor:
    return (one.float() - other.float()).abs().mean()
