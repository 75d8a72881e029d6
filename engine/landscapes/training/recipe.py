"""Recipes for landscapes from valence and arousal: warm start, game, and judge."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import ClassVar, Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from engine.config.base import RECIPES
from engine.core.errors import RecipeError, WeightsError
from engine.core.numbers import Count, Real
from engine.core.table import Table, fault_of
from engine.data.landscapes import PhotoPlan, WorldPlan, rated_preview
from engine.landscapes.losses.augmentation import ChangeName
from engine.landscapes.losses.base import LandscapeLoss, LandscapeLossChoice
from engine.landscapes.losses.inputs import LandscapeNetworks
from engine.landscapes.nets.discriminator import DiscriminatorSpec, LandscapeDiscriminator
from engine.landscapes.nets.encoder import EncoderSpec, LandscapeEncoder
from engine.landscapes.nets.eru import SLOPE, EruForm, EruRange
from engine.landscapes.nets.evaluator import VaEvaluator, VaEvaluatorSpec
from engine.landscapes.nets.generator import GeneratorSpec, LandscapeGenerator
from engine.landscapes.nets.growth import grown_discriminator, grown_generator, load_grown
from engine.landscapes.training.adversarial import (
    AdversarialSettings,
    LandscapeSetup,
    LandscapeTask,
)
from engine.landscapes.training.autoencoder import LandscapeVaeTask
from engine.landscapes.training.data import LandscapeSource
from engine.landscapes.training.evaluator import VaEvaluatorTask
from engine.losses.pixel import gradient_l1, pyramid_l1
from engine.nets.frozen import frozen_net, state_of
from engine.nets.loading import frozen
from engine.nets.perceptual.lpips import Perceptual
from engine.schedules import Schedule
from engine.schedules.constant import Constant
from engine.schedules.epochs import Epochs
from engine.training.phases import Phase
from engine.training.recipe import TrainingRecipe
from engine.trainings.staged_net import StagedNet
from engine.weights.find import find_weights
from engine.weights.folder import weights_file
from engine.weights.load import read_tensors

Distance = Literal["scales", "lpips-alex"]
INITIAL = 0.02
"""Standard deviation of convolutions that no warm start replaces (Radford et al. 2016)."""


class EruTable(Table):
    """The emotional residual units: their form, how many, and how far they may go."""

    form: EruForm = "film"
    units: int | None = Field(default=None, ge=0)
    """The last so many stages have one; every stage if absent."""
    hidden: int = Field(default=64, ge=1)
    low: Real = Field(default=0.8, gt=0)
    high: Real = Field(default=1.2, gt=0)
    clip: Real = Field(default=0.5, gt=0)
    beta: Real = Field(default=2.0, ge=0)
    soft: bool = False
    """Bend at the edge of the range where the other clips: gradients pass."""


class LandscapeNets(Table):
    """The networks: widths from 4 px up for the generator, from full size down for the others.

    The encoder may be of a smaller size: pictures are averaged down for it.
    """

    latent: int = Field(default=128, ge=1)
    generator: tuple[int, ...] = (512, 256, 128, 64, 32, 32)
    discriminator: tuple[int, ...] = (64, 64, 128, 256, 512, 512)
    encoder: tuple[int, ...] = (32, 64, 128, 256, 512)
    eru: EruTable = EruTable()
    norm: bool = True
    convs: int = Field(default=2, ge=1, le=2)
    """Convolutions of a block of the discriminator."""
    projection: bool = True
    spectral: bool = True
    batch_spread: bool = True
    gain: Real = Field(default=1.0, gt=0)
    """Factor behind each activation of the discriminator."""
    free_reader: bool = False
    """Leave the discriminator's reader of places out of the spectral norm."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        generator, discriminator = self.generator_spec.size, self.discriminator_spec.size
        if generator != discriminator or generator < self.encoder_spec.size:
            raise fault_of(
                "`generator`, `discriminator` and `encoder` are of other sizes: "
                f"{generator}, {discriminator} and {self.encoder_spec.size} px"
            )
        return self

    @property
    def generator_spec(self) -> GeneratorSpec:
        eru = self.eru
        reach = EruRange(eru.low, eru.high, eru.clip, eru.beta)
        return GeneratorSpec(
            self.latent, self.generator, eru.form, eru.units, eru.hidden, reach, eru.soft, self.norm
        )

    @property
    def discriminator_spec(self) -> DiscriminatorSpec:
        return DiscriminatorSpec(
            self.discriminator,
            self.convs,
            self.projection,
            self.spectral,
            self.batch_spread,
            self.gain,
            self.free_reader,
        )

    @property
    def encoder_spec(self) -> EncoderSpec:
        return EncoderSpec(self.latent, self.encoder)


class _ScapeRecipe(TrainingRecipe):
    """What the trainings on landscapes share: where they come from, and epochs."""

    photos: str | None = None
    """Folder of rated photos; the landscape world if absent."""
    rated: PhotoPlan = PhotoPlan()
    learn: WorldPlan
    check: WorldPlan
    balanced: bool = True
    label_noise: Real = Field(default=0.0, ge=0)
    flip: bool = True
    per_epoch: Count | None = Field(default=None, gt=0)
    """Steps of an epoch: where given, `steps` and schedules are counted in epochs."""

    @model_validator(mode="after")
    def _sizes(self) -> Self:
        if self.learn.size != self.check.size:
            raise fault_of("`learn.size` and `check.size` differ")
        return self

    @property
    def phases(self) -> tuple[Phase, ...]:
        phases = super().phases
        if self.per_epoch is None:
            return phases
        return tuple(
            phase.model_copy(
                update={
                    "steps": phase.steps * self.per_epoch,
                    "rate": self._in_steps(phase.rate),
                    "rates": {name: self._in_steps(rate) for name, rate in phase.rates.items()},
                }
            )
            for phase in phases
        )

    def albums(self) -> Mapping[str, Path]:
        """The folder of rated photos."""
        return {} if self.photos is None else {"photos": Path(self.photos)}

    def preview(self) -> tuple[str, ...]:
        """Where the rated photos lie in the plane."""
        return () if self.photos is None else rated_preview(Path(self.photos), self.rated)

    def _in_steps(self, schedule: Schedule) -> Schedule:
        if self.per_epoch is None:
            return schedule
        return Epochs(steps=self.per_epoch, schedule=schedule)

    def _weighed(self, losses: tuple[LandscapeLoss, ...]) -> tuple[LandscapeLoss, ...]:
        """The losses with their weights in steps."""
        return tuple(
            loss.model_copy(update={"weight": self._in_steps(loss.weight)}) for loss in losses
        )

    def source(self) -> LandscapeSource:
        """Where the landscapes come from."""
        return LandscapeSource(
            self.learn,
            self.check,
            None if self.photos is None else Path(self.photos),
            self.rated,
            self.balanced,
            self.label_noise,
            self.flip,
        )


@RECIPES.register("landscape_judge")
class VaEvaluatorRecipe(_ScapeRecipe):
    """A regressor of valence and arousal that only judges."""

    kind: Literal["landscape_judge"] = "landscape_judge"  # pyright: ignore[reportIncompatibleVariableOverride]
    net: StagedNet = StagedNet(size=64, widths=(24, 48, 96, 128))

    def task(self) -> VaEvaluatorTask:
        net = VaEvaluator(VaEvaluatorSpec(self.net.size, self.net.widths))
        return VaEvaluatorTask(net, self.source())


class _PaintingRecipe(_ScapeRecipe):
    """What the warm start and the game share: networks and losses."""

    can_start: ClassVar[bool] = True
    net: LandscapeNets = LandscapeNets()
    loss: tuple[LandscapeLossChoice, ...]
    distance: Distance = "scales"
    """What the loss `perceptual` is: LPIPS, which needs its backbone in the weights folder, or
    differences of pixels and gradients over scales in its place."""

    @model_validator(mode="after")
    def _painted(self) -> Self:
        if not self.loss:
            raise fault_of("a training needs at least one `[[loss]]`")
        kinds = [loss.kind for loss in self.loss]
        if len(set(kinds)) < len(kinds):
            raise fault_of("every kind of loss may stand once")
        if self.net.generator_spec.size != self.learn.size:
            raise fault_of(
                f"the networks draw {self.net.generator_spec.size} px, `learn.size` is "
                f"{self.learn.size}"
            )
        return self

    def schedules(self) -> dict[str, tuple[Schedule, int]]:
        """The rates, and the weights that change."""
        steps = self.total_steps
        changing = [
            weighed
            for loss, weighed in zip(self.loss, self._weighed(self.loss), strict=True)
            if not isinstance(loss.weight, Constant)
        ]
        weights = {f"{loss.kind}: weight": (loss.weight, steps) for loss in changing}
        return super().schedules() | weights

    def inputs(self) -> Mapping[str, Path]:
        named = {} if self.start is None else {"start": self.start}
        named |= {} if self.distance == "scales" else {"distance": self.distance}
        return {role: find_weights(name) for role, name in named.items()}

    def _generator(self) -> LandscapeGenerator:
        """A fresh generator, or that of `start`, whose shape the recipe must describe."""
        net = LandscapeGenerator(self.net.generator_spec)
        net.apply(_initial)
        if self.start is not None:
            _load(net, self.start, "generator")
        return net

    def _encoder(self) -> LandscapeEncoder:
        net = LandscapeEncoder(self.net.encoder_spec)
        if self.start is not None:
            _load(net, self.start, "encoder")
        return net


@RECIPES.register("landscape_vae")
class LandscapeVaeRecipe(_PaintingRecipe):
    """The warm start: an autoencoder whose decoder is the generator of the game."""

    kind: Literal["landscape_vae"] = "landscape_vae"  # pyright: ignore[reportIncompatibleVariableOverride]

    def task(self) -> LandscapeVaeTask:
        parts = LandscapeNetworks(self._generator(), None, self._encoder(), scale_distance)
        return LandscapeVaeTask(parts, self.source(), self._weighed(self.loss))


class GameTable(Table):
    """How the game is played, beside its losses."""

    changes: tuple[ChangeName, ...] = ()
    """What both real and painted pictures undergo before the discriminator sees them."""
    adaptive: bool = False
    target: Real = Field(default=0.6, ge=-1, le=1)
    slow: Count = Field(default=500_000, gt=0)
    wish_noise: Real = Field(default=0.0, ge=0)
    wishes: Literal["batch", "shuffled", "uniform"] = "shuffled"
    stop_after: int | None = Field(default=None, ge=1)
    grow: Count | None = Field(default=None, gt=0)
    """Steps in which a new stage fades in over `start`, a game of half the side."""


@RECIPES.register("landscape")
class LandscapeRecipe(_PaintingRecipe):
    """The game; `start` is a warm start or an earlier game, of half the side where it grows."""

    kind: Literal["landscape"] = "landscape"  # pyright: ignore[reportIncompatibleVariableOverride]
    game: GameTable = GameTable()
    judge: str | None = None
    """Weights of the judge of the validation; a ridge on colours in its place if absent."""
    codes: Literal["fitted", "normal"] = "fitted"
    """Codes by chance lie where the encoder puts pictures, or are standard normal."""

    def inputs(self) -> Mapping[str, Path]:
        judge = {} if self.judge is None else {"judge": find_weights(self.judge)}
        return {**super().inputs(), **judge}

    def task(self) -> LandscapeTask:
        encoded = any(loss.needs_encoder() for loss in self.loss)
        encoder = self._encoder() if encoded else None
        generator, discriminator = self._grown() if self.game.grow is not None else self._players()
        parts = LandscapeNetworks(generator, discriminator, encoder, scale_distance)
        if self.codes == "normal":
            parts.generator.get_buffer("code_mean").zero_()
            parts.generator.get_buffer("code_spread").fill_(1)
        judge = None
        if self.judge is not None:
            judge = frozen_net(VaEvaluator.from_state, self.judge, "judge")
        others: dict[str, nn.Module] = {}
        if self.distance == "lpips-alex":
            net = Perceptual.from_state(read_tensors(weights_file(self.distance)))
            others["distance"] = frozen(net)
            parts = replace(parts, distance=partial(_seen_apart, net))
        return LandscapeTask(
            parts,
            LandscapeSetup(
                self.source(),
                self._weighed(self.loss),
                AdversarialSettings(**self.game.model_dump(), follow=self.codes == "fitted"),
                judge,
                evaluated_by="ridge on colours" if self.judge is None else self.judge,
                others=others,
            ),
        )

    def _players(self) -> tuple[LandscapeGenerator, LandscapeDiscriminator]:
        """A generator, fresh or that of `start`, and a fresh discriminator."""
        discriminator = LandscapeDiscriminator(self.net.discriminator_spec)
        discriminator.apply(_initial if self.net.spectral else _even)
        return self._generator(), discriminator

    def _grown(self) -> tuple[LandscapeGenerator, LandscapeDiscriminator]:
        """Both of `start` with a stage more each, which paints and judges nothing yet."""
        if self.start is None:
            raise RecipeError(
                "`game.grow` needs `start`", hint="a game of half the side: --from RUN"
            )
        generator = LandscapeGenerator(replace(self.net.generator_spec, grown=True))
        discriminator = LandscapeDiscriminator(replace(self.net.discriminator_spec, grown=True))
        discriminator.apply(_initial if self.net.spectral else _even)
        last = len(generator.stages) - 1
        with _fitting(self.start, "generator"):
            small = grown_generator(state_of(self.start, "generator"))
            load_grown(generator, small, fresh=("paint.", f"stages.{last}."))
        with _fitting(self.start, "discriminator"):
            small = grown_discriminator(state_of(self.start, "discriminator"))
            load_grown(discriminator, small, fresh=("entry.", "blocks.0."))
        return generator, discriminator


def scale_distance(one: Tensor, other: Tensor) -> Tensor:
    """What stands in for LPIPS: differences of pixels over three scales, and of gradients."""
    return pyramid_l1(one.float(), other.float()) + gradient_l1(one.float(), other.float())


def _seen_apart(net: Perceptual, one: Tensor, other: Tensor) -> Tensor:
    return net(one.float(), other.float()).mean()


def _load(net: nn.Module, weights: str, part: str) -> None:
    with _fitting(weights, part):
        net.load_state_dict(state_of(weights, part))


@contextmanager
def _fitting(weights: str, part: str) -> Generator[None]:
    """WeightsError where the networks of a recipe and the weights are of other shapes."""
    try:
        yield
    except RuntimeError as error:
        told = str(error).splitlines()
        raise WeightsError(
            f"the {part} of `{weights}` is not the one that the recipe describes: "
            f"{told[-1].strip()}",
            hint="make `net` that of the recipe which the weights were trained by",
        ) from None


@torch.no_grad()
def _initial(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.normal_(module.weight, 0.0, INITIAL)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


@torch.no_grad()
def _even(module: nn.Module) -> None:
    """Keep the spread of what passes (He et al. 2015): no norm makes up for a small start."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, SLOPE)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
