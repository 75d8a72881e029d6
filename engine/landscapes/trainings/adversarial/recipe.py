"""The recipe of the adversarial training, and its table of settings."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Self

import torch
from pydantic import model_validator
from torch import Tensor, nn

from engine.config.base import RECIPES
from engine.core.errors import RecipeError
from engine.core.table import Table, fault_of
from engine.landscapes.losses.affective_features import AffectiveFeatures
from engine.landscapes.losses.inputs import LandscapeNetworks
from engine.landscapes.trainings.adversarial.settings import AdversarialTable
from engine.landscapes.trainings.adversarial.task import LandscapeTask
from engine.landscapes.trainings.base import GeneratorRecipe
from engine.landscapes.trainings.evaluators import load_va_evaluator
from engine.landscapes.trainings.networks import multiscale_l1
from engine.landscapes.trainings.va_evaluator.task import PART as VA_EVALUATOR
from engine.nets.loading import frozen
from engine.nets.named import load_lpips
from engine.weights.find import find_weights


class FrozenNetworks(Table):
    """Networks that are not trained."""

    va_evaluator: str | None = None
    """Weights of the VA evaluator for the validation; a ridge regression on colours if absent."""
    structure_evaluator: str | None = None
    """Weights of the structure evaluator for `tm eval`; a ridge regression on luma if absent."""
    perceptual: Literal["lpips-alex"] | None = None
    """The network of the loss `perceptual`; multi-scale L1 of pixels and gradients if absent."""

    @property
    def files(self) -> dict[str, Path]:
        """The weights files of the networks that are given."""
        names = self.model_dump(exclude_none=True)
        return {key: find_weights(name) for key, name in names.items()}


@RECIPES.register("landscape")
class LandscapeRecipe(GeneratorRecipe):
    """Adversarial training; `start`: an autoencoder or another adversarial training."""

    kind: Literal["landscape"] = "landscape"  # pyright: ignore[reportIncompatibleVariableOverride]
    adversarial: AdversarialTable = AdversarialTable()
    networks: FrozenNetworks = FrozenNetworks()

    @model_validator(mode="after")
    def _paired(self) -> Self:
        if any(isinstance(loss, AffectiveFeatures) and loss.is_used for loss in self.loss):
            if not self.net.discriminator_units:
                raise fault_of(
                    "the loss `affective_features` needs `net.discriminator_units = true`"
                )
            if self.adversarial.target_sampling != "batch":
                raise fault_of(
                    "the loss `affective_features` compares images of one emotion: set"
                    ' `adversarial.target_sampling = "batch"`'
                )
        return self

    def inputs(self) -> Mapping[str, Path]:
        """The weights files of `start` and of the frozen networks."""
        return {**super().inputs(), **self.networks.files}

    def task(self) -> LandscapeTask:
        encoded = any(loss.needs_encoder() for loss in self.loss)
        encoder = self.net.new_encoder(self.start) if encoded else None
        if self.adversarial.fade_in is None:
            discriminator = self.net.new_discriminator()
            generator = self.net.new_generator(self.start)
        elif self.start is None:
            raise RecipeError(
                "`adversarial.fade_in` needs `start`",
                hint="name a training of half the size: --from RUN",
            )
        else:
            generator, discriminator = self.net.grown(self.start)
        if self.adversarial.latents == "normal":
            generator.get_buffer("code_mean").zero_()
            generator.get_buffer("code_spread").fill_(1)
        perceptual, networks = multiscale_l1, dict[str, nn.Module]()
        if self.networks.perceptual is not None:
            net = frozen(load_lpips(torch.device("cpu")).net)
            networks["perceptual"] = net

            def perceptual(one: Tensor, other: Tensor) -> Tensor:
                return net(one.float(), other.float()).mean()

        if (name := self.networks.va_evaluator) is not None:
            networks[VA_EVALUATOR] = load_va_evaluator(name, drawn=self.photos is None)
        return LandscapeTask(
            LandscapeNetworks(generator, discriminator, encoder, perceptual),
            self.source,
            self.losses,
            self.adversarial,
            frozen=networks,
            evaluated_by=name,
        )
