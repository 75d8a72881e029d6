from typing import Literal

from pydantic import Field

from engine.landscapes.losses.base import LANDSCAPE_LOSSES, LandscapeLoss
from engine.landscapes.losses.inputs import Images, LandscapeLossInputs
from engine.training.task import Term


class _GradientPenalty(LandscapeLoss):
    """Squared norm of the logit's gradient, every `every` steps (lazy regularisation).

    With `rescaled` the weight is multiplied by `every`, so that its mean over the steps is the
    weight (StyleGAN2, appendix B); without, that mean is weight / every.
    """

    every: int = Field(default=16, ge=1)
    rescaled: bool = True

    def _penalty(self, inputs: LandscapeLossInputs, step: int, images: Images) -> Term | None:
        if step % self.every:
            return None
        factor = self.every if self.rescaled else 1
        return Term(inputs.gradient_penalty(images), self.weight.at(step) * factor)


@LANDSCAPE_LOSSES.register("r1")
class R1(_GradientPenalty):
    """Gradient penalty at real images (Mescheder et al. 2018, equation 9, without gamma / 2)."""

    kind: Literal["r1"] = "r1"

    def discriminator_loss(self, inputs: LandscapeLossInputs, step: int) -> Term | None:
        return self._penalty(inputs, step, "real")


@LANDSCAPE_LOSSES.register("r2")
class R2(_GradientPenalty):
    """Gradient penalty at generated images (Mescheder et al. 2018, section 4.1)."""

    kind: Literal["r2"] = "r2"

    def discriminator_loss(self, inputs: LandscapeLossInputs, step: int) -> Term | None:
        return self._penalty(inputs, step, "generated")
