"""The game that portraits are sharpened by: a critic of patches beside whatever else is asked."""

from dataclasses import dataclass

import torch
from torch import Tensor

from engine.losses.adversarial import critic_loss, feature_matching, generator_loss, r1_penalty
from engine.nets.encoders.gradual import with_age_plane
from engine.nets.nano.discriminator import NanoCritic
from engine.training.task import Moment, Term


@dataclass(frozen=True, slots=True, kw_only=True)
class GameAim:
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
        """Whether there is anything for a critic to do."""
        return bool(self.adversarial or self.matching)


class PortraitGame:
    """A critic's part in both turns; where ages (b,) are told, it sees them as a fourth plane."""

    def __init__(self, critic: NanoCritic, aim: GameAim) -> None:
        self.critic, self.aim = critic, aim

    def deceiving(
        self, made: Tensor, truth: Tensor, moment: Moment, ages: Tensor | None = None
    ) -> dict[str, Term]:
        """What gives the drawn pictures (b, 3, s, s) away, beside their true ones."""
        if not self.aim.played:
            return {}
        judged, known = (self.critic(_shown(seen, ages)) for seen in (made, truth))
        weight = self.aim.adversarial * min(1.0, moment.phase_step / max(self.aim.warm_up, 1))
        return {
            "adversarial": Term(generator_loss(judged.logits), weight),
            "matching": Term(feature_matching(judged.features, known.features), self.aim.matching),
        }

    def judging(
        self, truth: Tensor, made: Tensor, moment: Moment, ages: Tensor | None = None
    ) -> dict[str, Term]:
        """What the critic overlooks; `made` without its graph."""
        logits = [self.critic(_shown(seen, ages)).logits for seen in (truth, made)]
        terms = {"critic": Term(critic_loss(*logits))}
        if moment.step % self.aim.r1_every == 0:
            few = self.aim.r1_pictures
            known = None if ages is None else ages[:few]
            with torch.autocast(truth.device.type, enabled=False):
                slope = r1_penalty(
                    lambda seen: self.critic(_shown(seen, known)).logits, truth[:few].float()
                )
            terms["r1"] = Term(slope, self.aim.r1 / 2 * self.aim.r1_every)
        return terms


def _shown(pictures: Tensor, ages: Tensor | None) -> Tensor:
    return pictures if ages is None else with_age_plane(pictures, ages)
