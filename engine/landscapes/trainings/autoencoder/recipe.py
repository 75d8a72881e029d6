"""The recipe of the variational autoencoder, the warm start of the adversarial training."""

from typing import Literal

from engine.config.base import RECIPES
from engine.landscapes.losses.inputs import LandscapeNetworks
from engine.landscapes.trainings.autoencoder.task import LandscapeVaeTask
from engine.landscapes.trainings.base import GeneratorRecipe
from engine.landscapes.trainings.networks import multiscale_l1


@RECIPES.register("landscape_vae")
class LandscapeVaeRecipe(GeneratorRecipe):
    """A variational autoencoder whose decoder is the generator of the adversarial training."""

    kind: Literal["landscape_vae"] = "landscape_vae"  # pyright: ignore[reportIncompatibleVariableOverride]

    def task(self) -> LandscapeVaeTask:
        networks = LandscapeNetworks(
            self.net.new_generator(self.start), None, self.net.new_encoder(self.start),
            multiscale_l1,
        )  # fmt: skip
        return LandscapeVaeTask(networks, self.source, self.losses)
