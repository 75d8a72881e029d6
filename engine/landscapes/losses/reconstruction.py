from typing import Literal

from torch import Tensor

from engine.landscapes.losses.base import LANDSCAPE_LOSSES, LandscapeLoss
from engine.landscapes.losses.inputs import LandscapeLossInputs

LatentSource = Literal["encoded", "random"]


class _ImageLoss(LandscapeLoss):
    """Compares real images with their reconstructions, or with images of random latents.

    With `random` latents the minimum is the mean of all images: blur.
    """

    latent: LatentSource = "encoded"

    def needs_encoder(self) -> bool:
        return self.latent == "encoded"

    def images(self, inputs: LandscapeLossInputs) -> Tensor:
        """The images that are compared with the real ones."""
        return inputs.reconstructed() if self.latent == "encoded" else inputs.generated()


@LANDSCAPE_LOSSES.register("reconstruction")
class Reconstruction(_ImageLoss):
    """Mean squared error of pixels in [-1, 1]."""

    kind: Literal["reconstruction"] = "reconstruction"

    def generator_loss(self, inputs: LandscapeLossInputs) -> Tensor:
        return (self.images(inputs).float() - inputs.real).square().mean()


@LANDSCAPE_LOSSES.register("perceptual")
class PerceptualTerm(_ImageLoss):
    """LPIPS if `networks.perceptual` names it, else multi-scale L1 of pixels and gradients."""

    kind: Literal["perceptual"] = "perceptual"

    def generator_loss(self, inputs: LandscapeLossInputs) -> Tensor:
        return inputs.networks.perceptual(self.images(inputs), inputs.real)
