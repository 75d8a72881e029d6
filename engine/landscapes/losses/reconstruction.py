from typing import Literal

from torch import Tensor

from engine.landscapes.losses.base import LANDSCAPE_LOSSES, LandscapeLoss
from engine.landscapes.losses.inputs import LandscapeLossInputs

Of = Literal["code", "chance"]


class _Compared(LandscapeLoss):
    """Painted beside real: from the picture's own `code`, or from `chance` as its ancestors did.

    Of `chance` the best answer is the mean of all pictures: blur.
    """

    of: Of = "code"

    def needs_encoder(self) -> bool:
        return self.of == "code"

    def painted(self, trial: LandscapeLossInputs) -> Tensor:
        """The pictures that are compared with the real ones."""
        return trial.rebuilt() if self.of == "code" else trial.painted()


@LANDSCAPE_LOSSES.register("reconstruction")
class Reconstruction(_Compared):
    """Mean squared error of pixels in [-1, 1]."""

    kind: Literal["reconstruction"] = "reconstruction"

    def painting(self, trial: LandscapeLossInputs) -> Tensor:
        return (self.painted(trial).float() - trial.real).square().mean()


@LANDSCAPE_LOSSES.register("perceptual")
class PerceptualTerm(_Compared):
    """LPIPS where its backbone is given, else differences of pixels and gradients over scales."""

    kind: Literal["perceptual"] = "perceptual"

    def painting(self, trial: LandscapeLossInputs) -> Tensor:
        return trial.parts.distance(self.painted(trial), trial.real)
