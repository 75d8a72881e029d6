"""Adversarial losses on portraits: a patch discriminator beside other losses."""

import torch
from pydantic import Field
from torch import Tensor

from engine.core.numbers import Real
from engine.core.table import Table
from engine.losses.adversarial import (
    discriminator_loss,
    feature_matching,
    generator_loss,
    r1_penalty,
)
from engine.nets.encoders.gradual import with_age_plane
from engine.nets.nano.discriminator import NanoDiscriminator
from engine.training.task import StepContext, Term

REUSED = "the discriminator reuses what the generator made of the whole batch"
"""Why a batch of such a training cannot be computed part by part."""


class AdversarialLoss(Table):
    """Weights of the adversarial losses; 0 leaves a loss out."""

    adversarial: Real = Field(default=0.3, ge=0)
    matching: Real = Field(default=0.4, ge=0)
    """Of feature matching."""
    r1: Real = Field(default=0.02, ge=0)
    """Gamma of the gradient penalty on real pictures."""
    r1_every: int = Field(default=16, ge=1)
    """Steps between gradient penalties (lazy regularisation, StyleGAN2 appendix B)."""
    r1_pictures: int = Field(default=8, ge=1)
    """Pictures of a gradient penalty."""
    warm_up: int = Field(default=150, ge=0)
    """Steps over which the weight of `adversarial` rises."""

    @property
    def needs_discriminator(self) -> bool:
        return bool(self.adversarial or self.matching)


class PortraitAdversary:
    """The adversarial terms of both optimizer steps.

    ages (b,), if given, are an input plane. beside: the photographs (b, 3, s, s) that the pictures
    were made from, as conditions after it (Isola et al. 2017, equation 1).
    """

    def __init__(self, discriminator: NanoDiscriminator, loss: AdversarialLoss) -> None:
        self.discriminator, self.loss = discriminator, loss

    def generator_terms(
        self,
        generated: Tensor,
        real: Tensor,
        context: StepContext,
        ages: Tensor | None = None,
        *,
        beside: Tensor | None = None,
    ) -> dict[str, Term]:
        """Generator loss and feature matching for pictures (b, 3, s, s) and their targets."""
        loss = self.loss
        if not loss.needs_discriminator:
            return {}
        fake, target = (
            self.discriminator(_conditioned(x, ages, beside)) for x in (generated, real)
        )
        weight = loss.adversarial * min(1.0, context.phase_step / max(loss.warm_up, 1))
        return {
            "adversarial": Term(generator_loss(fake.logits), weight),
            "matching": Term(feature_matching(fake.features, target.features), loss.matching),
        }

    def discriminator_terms(
        self,
        real: Tensor,
        generated: Tensor,
        context: StepContext,
        ages: Tensor | None = None,
        *,
        generated_ages: Tensor | None = None,
        beside: Tensor | None = None,
    ) -> dict[str, Term]:
        """Discriminator loss, and the gradient penalty at its steps; `generated` is detached.

        generated_ages: those of the generated pictures, where they are not `ages`.
        """
        theirs = ages if generated_ages is None else generated_ages
        pairs = ((real, ages), (generated, theirs))
        logits = [self.discriminator(_conditioned(x, years, beside)).logits for x, years in pairs]
        terms = {"discriminator": Term(discriminator_loss(*logits))}
        if context.step % self.loss.r1_every == 0:
            count = self.loss.r1_pictures
            own_ages = None if ages is None else ages[:count]
            own_beside = None if beside is None else beside[:count]
            with torch.autocast(real.device.type, enabled=False):
                penalty = r1_penalty(
                    lambda x: self.discriminator(_conditioned(x, own_ages, own_beside)).logits,
                    real[:count].float(),
                )
            terms["r1"] = Term(penalty, self.loss.r1 / 2 * self.loss.r1_every)
        return terms


def _conditioned(pictures: Tensor, ages: Tensor | None, beside: Tensor | None) -> Tensor:
    planes = pictures if ages is None else with_age_plane(pictures, ages)
    return planes if beside is None else torch.cat([planes, beside.to(planes)], dim=1)
