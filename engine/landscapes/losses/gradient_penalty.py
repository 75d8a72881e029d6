from typing import Literal

from pydantic import Field

from engine.landscapes.losses.base import LANDSCAPE_LOSSES, LandscapeLoss, WeightedTerm
from engine.landscapes.losses.inputs import LandscapeLossInputs


class _Slope(LandscapeLoss):
    """Squared slope of the logit, every `every` steps.

    With `rescaled` the weight counts `every` times at those steps, so that its mean over time is
    the weight (StyleGAN2, appendix B); without, that mean is weight / every.
    """

    every: int = Field(default=16, ge=1)
    rescaled: bool = True

    def _at(self, trial: LandscapeLossInputs, step: int, which: str) -> WeightedTerm | None:
        if step % self.every:
            return None
        factor = self.every if self.rescaled else 1
        return WeightedTerm(trial.slope(which), self.weight.at(step) * factor)


@LANDSCAPE_LOSSES.register("r1")
class R1(_Slope):
    """Slope at real pictures (Mescheder et al. 2018, equation 9, without gamma / 2)."""

    kind: Literal["r1"] = "r1"

    def judging(self, trial: LandscapeLossInputs, step: int) -> WeightedTerm | None:
        return self._at(trial, step, "real")


@LANDSCAPE_LOSSES.register("r2")
class R2(_Slope):
    """Slope at painted pictures (Mescheder et al. 2018, section 4.1)."""

    kind: Literal["r2"] = "r2"

    def judging(self, trial: LandscapeLossInputs, step: int) -> WeightedTerm | None:
        return self._at(trial, step, "painted")
