"""Adversarial losses of trainings on portraits: a patch discriminator beside other losses."""

from dataclasses import dataclass

import torch
from torch import Tensor

from engine.losses.adversarial import (
    discriminator_loss,
    feature_matching,
    generator_loss,
    r1_penalty,
)
from engine.nets.encoders.gradual import with_age_plane
from engine.nets.nano.discriminator import NanoDiscriminator
from engine.training.task import StepContext, Term


@dataclass(frozen=True, slots=True, kw_only=True)
class AdversarialAim:
    """Weights of the game; a weight of 0 leaves a loss out."""

    adversarial: float = 0.3
    matching: float = 0.4
    r1: float = 0.02
    """Gamma of the penalty, which comes every `r1_every` steps on `r1_pictures` (lazily, StyleGAN2
    appendix B)."""
    r1_every: int = 16
    r1_pictures: int = 8
    warm_up: int = 150
    """Steps over which the adversary's weight rises."""

    @property
    def played(self) -> bool:
        """Whether there is anything for a discriminator to do."""
        return bool(self.adversarial or self.matching)


class PortraitAdversary:
    """The terms of both optimizer steps; ages (b,), if given, are a fourth input plane."""

    def __init__(self, discriminator: NanoDiscriminator, aim: AdversarialAim) -> None:
        self.discriminator, self.aim = discriminator, aim

    def generator_terms(
        self, made: Tensor, truth: Tensor, context: StepContext, ages: Tensor | None = None
    ) -> dict[str, Term]:
        """What gives the drawn pictures (b, 3, s, s) away, beside their true ones."""
        if not self.aim.played:
            return {}
        judged, known = (self.discriminator(_shown(seen, ages)) for seen in (made, truth))
        weight = self.aim.adversarial * min(1.0, context.phase_step / max(self.aim.warm_up, 1))
        return {
            "adversarial": Term(generator_loss(judged.logits), weight),
            "matching": Term(feature_matching(judged.features, known.features), self.aim.matching),
        }

    def judging(
        self, truth: Tensor, made: Tensor, context: StepContext, ages: Tensor | None = None
    ) -> dict[str, Term]:
        """What the discriminator overlooks; `made` without its graph."""
        logits = [self.discriminator(_shown(seen, ages)).logits for seen in (truth, made)]
        terms = {"discriminator": Term(discriminator_loss(*logits))}
        if context.step % self.aim.r1_every == 0:
            few = self.aim.r1_pictures
            known = None if ages is None else ages[:few]
            with torch.autocast(truth.device.type, enabled=False):
                slope = r1_penalty(
                    lambda seen: self.discriminator(_shown(seen, known)).logits, truth[:few].float()
                )
            terms["r1"] = Term(slope, self.aim.r1 / 2 * self.aim.r1_every)
        return terms


def _shown(pictures: Tensor, ages: Tensor | None) -> Tensor:
    return pictures if ages is None else with_age_plane(pictures, ages)
