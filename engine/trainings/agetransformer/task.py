"""Train an AgeTransformer: one face in, every anchor age out."""

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
from engine.trainings.adversarial import REUSED
from engine.trainings.agetransformer.captions import find_captions
from engine.trainings.agetransformer.guidance import TowerLoss, VlmGuidance
from engine.trainings.agetransformer.loss import AgeTransformerLoss
from engine.trainings.agetransformer.sampling import AgeBatches
from engine.trainings.agetransformer.validation import COST, FEATURE_DISTANCE, AgeValidation
from engine.weights.checkpoint import Checkpoint

PICTURE, OUTLINE = OBJECTIVES = ("picture", "outline")
"""`outline` has the pixel losses against the truth alone: a step costs a third, and shapes are
right before texture and the adversarial losses are trained by `picture`."""


@dataclass(frozen=True, slots=True, eq=False)
class AgeNets:
    """The trained networks, and the frozen ones of losses and validation.

    generator: portraits (n, 3, s, s) and anchor weights (n, ages, k) to (n, ages, 3, s, s);
    discriminator: pictures (b, 3, s, s) and weights (b, k) to its output; age_evaluator: estimates
    ages in the validation, and is in no loss; tower: image tower of `direction` and `attributes`;
    frozen: the modules of these, to be moved to the device.
    """

    generator: nn.Module
    discriminator: nn.Module
    identity: IdentityNetwork | None = None
    age: AgeEstimator | None = None
    perceptual: Distance | None = None
    age_evaluator: AgeEstimator | None = None
    tower: ImageTower | None = None
    frozen: dict[str, nn.Module] = field(default_factory=dict[str, nn.Module])


class AgeTransformerTask(Task):
    """A face with a soft age label, and target ages.

    With a known truth (the same photograph rendered at several ages), each step generates all known
    ages of a photograph from one encoding. Without, the target is an anchor other than the label's,
    and the losses are cycle consistency and the discriminator's.
    """

    def __init__(
        self,
        nets: AgeNets,
        sources: tuple[FaceSource, FaceSource],
        anchors: Anchors,
        loss: AgeTransformerLoss,
        *,
        curriculum: LabelCurriculum,
        truth: bool,
        facts: Mapping[str, Any],
        guidance: VlmGuidance = VlmGuidance(),
    ) -> None:
        self.nets, self.sources, self.anchors, self.loss = nets, sources, anchors, loss
        self.curriculum, self.facts = curriculum, facts
        self.parts = {"generator": nets.generator, "discriminator": nets.discriminator}
        self.frozen = nets.frozen
        for net in (*self.parts.values(), *self.frozen.values()):
            if all(parameter.dim() < 5 for parameter in net.parameters()):
                net.to(memory_format=torch.channels_last)
        # The discriminator comes second and reuses the generator's outputs: one pass a step.
        self.optimizer_steps = {"generator": ("generator",), "discriminator": ("discriminator",)}
        self.best = None  # a copy of the input costs nothing that the losses' networks see
        if truth or nets.age_evaluator is not None:
            self.best = Best(metric=FEATURE_DISTANCE if truth else COST, goal="min")
        self.last_outputs: tuple[int, list[tuple[Tensor, Tensor]]] | None = None
        self.guidance, self.tower_loss = guidance, None
        if nets.tower is not None:
            self.tower_loss = TowerLoss(nets.tower, loss, guidance.per_age)

    def prepare(self, progress: Progress) -> None:
        """Read or render both sets."""
        train, validation = (source.load(progress) for source in self.sources)
        folder, dropout = self.guidance.captions, self.guidance.caption_dropout
        captions = None if folder is None else find_captions(train.names, Path(folder), progress)
        self.batches = AgeBatches.of(
            train, self.anchors, self.curriculum, captions, caption_dropout=dropout
        )
        self.validation = AgeValidation(
            validation, self.anchors, self.nets.age_evaluator, self.nets.identity
        )

    def precompute(self, device: torch.device, progress: Progress) -> None:
        """Compute the mean features of every age by the image tower, if there is one."""
        if self.tower_loss is not None:
            batches = self.batches
            self.tower_loss.precompute(batches.faces, batches.labels, device, progress)

    def coupling(self) -> str:
        """The discriminator comes second, and sees the generator's outputs of the batch."""
        return REUSED

    def batch(self, context: StepContext, batch: int) -> Batch:
        """Faces, target ages and labels (`AgeBatches`)."""
        return self.batches.batch(context, batch)

    def terms(self, optimizer_step: str, batch: Batch, context: StepContext) -> dict[str, Term]:
        """The losses of the generator or of the discriminator."""
        photo = batch["photo"].contiguous(memory_format=torch.channels_last)
        target, outline = batch["target"], context.objective == OUTLINE
        if optimizer_step == "discriminator":
            return {} if outline else self._discriminator_terms(batch, context)
        outputs = self._generate(photo, target, batch)
        terms = self._pixel_terms(outputs, photo, batch, textured=not outline)
        if outline:
            return terms
        aged = outputs[:, 0]
        generated = [(aged, target[:, 0])]
        if self.loss.cycle and context.step % self.loss.cycle_every == 0:
            cycled = self.nets.generator(aged, batch["source"][:, None])[:, 0]
            terms["cycle"] = Term(_l1(cycled, photo), self.loss.cycle)
            if self.nets.perceptual is not None and self.loss.perceptual and "truth" not in batch:
                distance = self.nets.perceptual(cycled.float(), photo).mean()
                terms["cycle_perceptual"] = Term(distance, self.loss.perceptual)
            generated.append((cycled, batch["source"]))
        self.last_outputs = (context.step, [(x.detach(), age) for x, age in generated])
        if self.tower_loss is not None:
            terms |= self.tower_loss.terms(aged, photo, batch)
        terms |= self._adversarial_terms(generated, batch, context)
        return terms | self._network_terms(aged, photo, batch)

    def _generate(self, photo: Tensor, target: Tensor, batch: Batch) -> Tensor:
        """Outputs (b, ages, 3, s, s), guided by the photographs' captions if there are any."""
        if "captions" not in batch:
            return self.nets.generator(photo, target)
        return self.nets.generator(photo, target, batch["captions"])

    def _pixel_terms(
        self, outputs: Tensor, photo: Tensor, batch: Batch, *, textured: bool
    ) -> dict[str, Term]:
        """Errors against the truth of every target age, or else of the reconstruction."""
        loss = self.loss
        with torch.autocast(outputs.device.type, enabled=False):
            if "truth" not in batch:
                same = outputs[:, 1]
                terms = {"reconstruction": Term(_l1(same, photo), loss.reconstruction)}
                if self.nets.perceptual is not None and loss.perceptual:
                    distance = self.nets.perceptual(same.float(), photo).mean()
                    terms["perceptual"] = Term(distance, loss.perceptual)
                return terms
            output, truth = outputs.flatten(0, 1).float(), batch["truth"].flatten(0, 1)
            terms = {
                "pixel": Term(pyramid_l1(output, truth), loss.pixel),
                "gradient": Term(gradient_l1(output, truth), loss.gradient),
            }
            if loss.texture and textured:
                terms["texture"] = Term(texture_l1(output, truth), loss.texture)
        return terms

    def _adversarial_terms(
        self,
        generated: Sequence[tuple[Tensor, Tensor]],
        batch: Batch,
        context: StepContext,
    ) -> dict[str, Term]:
        """Generator loss, age classes and feature matching by the conditional discriminator."""
        loss, discriminator = self.loss, self.nets.discriminator
        if not (loss.adversarial or loss.age_class or loss.matching):
            return {}
        results = [discriminator(picture, age) for picture, age in generated]
        weight = loss.adversarial * min(1.0, context.phase_step / max(loss.warm_up, 1))
        adversarial = [generator_loss(result.logits) for result in results]
        labels = (batch["target_label"], batch["label"])
        classes = [
            soft_cross_entropy(result.ages, label)
            for result, label in zip(results, labels, strict=False)
        ]
        terms = {
            "adversarial": Term(torch.stack(adversarial).mean(), weight),
            "age_class": Term(torch.stack(classes).mean(), loss.age_class),
        }
        if "truth" in batch and loss.matching:
            with torch.no_grad():
                real = discriminator(_first_truth(batch), batch["target"][:, 0])
            value = feature_matching(results[0].features, real.features)
            terms["matching"] = Term(value, loss.matching)
        return terms

    def _network_terms(self, aged: Tensor, photo: Tensor, batch: Batch) -> dict[str, Term]:
        """Age, identity and perceptual losses by frozen networks."""
        loss, nets, terms = self.loss, self.nets, dict[str, Term]()
        target = batch["target_age"][:, 0]
        if nets.age is not None and loss.age:
            error = (nets.age.years(aged) - target) / AGE_CAP
            terms["age"] = Term(error.square().mean(), loss.age)
        if nets.identity is not None and loss.identity:
            with torch.no_grad():
                embedding = nets.identity.embed(photo)
            distance = 1 - (nets.identity.embed(aged) * embedding).sum(dim=1)
            distance = (distance * age_gap_weight(batch["source_age"], target)).mean()
            terms["identity"] = Term(distance, loss.identity)
        if nets.perceptual is not None and loss.perceptual and "truth" in batch:
            distance = nets.perceptual(aged, _first_truth(batch)).mean()
            terms["perceptual"] = Term(distance, loss.perceptual)
        return terms

    def _discriminator_terms(self, batch: Batch, context: StepContext) -> dict[str, Term]:
        """Discriminator loss, its age classes of real faces, and the gradient penalty."""
        discriminator, loss = self.nets.discriminator, self.loss
        real, age, label = batch["photo"], batch["source"], batch["label"]
        if "truth" in batch:
            real, age, label = _first_truth(batch), batch["target"][:, 0], batch["target_label"]
        result = discriminator(real, age)
        losses = [
            discriminator_loss(result.logits, discriminator(picture, target).logits)
            for picture, target in self._outputs_of_step(batch, context)
        ]
        terms = {
            "discriminator": Term(torch.stack(losses).sum(), 1.0),
            "discriminator_age_class": Term(
                soft_cross_entropy(result.ages, label, batch["reliability"]),
                loss.discriminator_age_class,
            ),
        }
        if context.step % loss.r1_every == 0:
            own_age = age[: loss.r1_pictures]
            with torch.autocast(real.device.type, enabled=False):
                penalty = r1_penalty(
                    lambda picture: discriminator(picture, own_age).logits,
                    real[: loss.r1_pictures].float(),
                )
            terms["r1"] = Term(penalty, loss.r1 / 2 * loss.r1_every)
        return terms

    def _outputs_of_step(self, batch: Batch, context: StepContext) -> list[tuple[Tensor, Tensor]]:
        if self.last_outputs is not None and self.last_outputs[0] == context.step:
            return self.last_outputs[1]
        with torch.no_grad():
            target = batch["target"][:, :1]
            return [(self._generate(batch["photo"], target, batch)[:, 0], target[:, 0])]

    def validate(self, nets: Nets, device: torch.device) -> dict[str, float]:
        """Everybody of the validation set at every age."""
        return self.validation.metrics(nets["generator"], device)

    def sample(self, nets: Nets, device: torch.device) -> np.ndarray | None:
        """A few faces: the photograph, then every age; below, the truth where it is known."""
        return self.validation.strips(nets["generator"], device)

    def checkpoint(self, nets: Nets) -> Checkpoint:
        """The generator with its discriminator, its size and its anchors."""
        return Checkpoint(
            "native",
            {
                "generator": nets["generator"].state_dict(),
                "discriminator": nets["discriminator"].state_dict(),
            },
            facts={"task": "agetransformer", **self.facts, **self.anchors.facts()},
        )


def _first_truth(batch: Batch) -> Tensor:
    return batch["truth"][:, 0].contiguous(memory_format=torch.channels_last)


def _l1(one: Tensor, other: Tensor) -> Tensor:
    return (one.float() - other.float()).abs().mean()
