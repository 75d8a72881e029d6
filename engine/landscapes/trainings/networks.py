"""The recipe tables of the trained landscape networks; how networks are initialised and loaded."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from typing import Self, TypeVar

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from engine.core.errors import WeightsError
from engine.core.numbers import Real
from engine.core.table import Table, fault_of
from engine.landscapes.nets.discriminator import DiscriminatorSpec, LandscapeDiscriminator
from engine.landscapes.nets.encoder import EncoderSpec, LandscapeEncoder
from engine.landscapes.nets.eru import NEGATIVE_SLOPE, EruForm, EruRange
from engine.landscapes.nets.generator import GeneratorSpec, LandscapeGenerator
from engine.landscapes.nets.growth import grown_discriminator, grown_generator, load_grown
from engine.losses.pixel import gradient_l1, pyramid_l1
from engine.nets.named import state_of

Net = TypeVar("Net", bound=nn.Module)
INITIAL_STD = 0.02
"""Standard deviation of initial convolution weights (Radford et al. 2016)."""


class EruTable(Table):
    """The emotional residual units: form, number, and bounds of their modulation."""

    form: EruForm = "film"
    units: int | None = Field(default=None, ge=0)
    """Number of stages, counted from the last, that have a unit; all if absent."""
    hidden: int = Field(default=64, ge=1)
    low: Real = Field(default=0.8, gt=0)
    high: Real = Field(default=1.2, gt=0)
    clip: Real = Field(default=0.5, gt=0)
    beta: Real = Field(default=2.0, ge=0)
    soft: bool = False
    """Bound gamma by tanh instead of a hard clip, so that gradients pass."""


class LandscapeNets(Table):
    """The trained networks: widths from 4 px up for the generator, from full size down otherwise.

    The encoder may be of a smaller size: images are averaged down for it.
    """

    latent: int = Field(default=128, ge=1)
    generator: tuple[int, ...] = (512, 256, 128, 64, 32, 32)
    discriminator: tuple[int, ...] = (64, 64, 128, 256, 512, 512)
    encoder: tuple[int, ...] = (32, 64, 128, 256, 512)
    eru: EruTable = EruTable()
    norm: bool = True
    """Group norm in the generator."""
    convs: int = Field(default=2, ge=1, le=2)
    """Convolutions of a block of the discriminator."""
    projection: bool = True
    """Condition the discriminator's logit on valence and arousal."""
    spectral_norm: bool = True
    minibatch_std: bool = True
    gain: Real = Field(default=1.0, gt=0)
    """Factor after each activation of the discriminator."""
    unconstrained_va_head: bool = False
    """No spectral norm on the discriminator's valence-arousal head."""
    discriminator_units: bool = False
    """A gated emotional residual unit beside each block, which `affective_features` needs."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        generator, discriminator = self.generator_spec.size, self.discriminator_spec.size
        if generator != discriminator or generator < self.encoder_spec.size:
            raise fault_of(
                "the sizes of `generator`, `discriminator` and `encoder` do not match: "
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
            self.spectral_norm,
            self.minibatch_std,
            self.gain,
            self.unconstrained_va_head,
            self.discriminator_units,
        )

    @property
    def encoder_spec(self) -> EncoderSpec:
        return EncoderSpec(self.latent, self.encoder)

    def new_generator(self, start: str | None) -> LandscapeGenerator:
        """A new generator, or that of the weights `start`; WeightsError if it does not fit."""
        net = LandscapeGenerator(self.generator_spec)
        net.apply(_initialise)
        return _loaded(net, start, "generator")

    def new_encoder(self, start: str | None) -> LandscapeEncoder:
        """A new encoder, or that of the weights `start`; WeightsError if it does not fit."""
        return _loaded(LandscapeEncoder(self.encoder_spec), start, "encoder")

    def new_discriminator(self, *, grown: bool = False) -> LandscapeDiscriminator:
        """A new discriminator; `grown`: its first block fades in."""
        net = LandscapeDiscriminator(replace(self.discriminator_spec, grown=grown))
        net.apply(_initialise if self.spectral_norm else _initialise_he)
        return net

    def grown(self, start: str) -> tuple[LandscapeGenerator, LandscapeDiscriminator]:
        """Generator and discriminator of `start`, of half the size, with a new stage each."""
        generator = LandscapeGenerator(replace(self.generator_spec, grown=True))
        discriminator = self.new_discriminator(grown=True)
        last = len(generator.stages) - 1
        with _matching(start, "generator"):
            state = grown_generator(state_of(start, "generator", copy=True))
            load_grown(generator, state, fresh=("paint.", f"stages.{last}."))
        with _matching(start, "discriminator"):
            state = grown_discriminator(state_of(start, "discriminator", copy=True))
            load_grown(
                discriminator, state, fresh=("entry.", "blocks.0.", "units.0.", "attended.0.")
            )
        return generator, discriminator


def multiscale_l1(one: Tensor, other: Tensor) -> Tensor:
    """The stand-in for LPIPS: L1 of pixels over three scales and of gradients, a scalar."""
    return pyramid_l1(one.float(), other.float()) + gradient_l1(one.float(), other.float())


def _loaded(net: Net, weights: str | None, part: str) -> Net:
    if weights is not None:
        with _matching(weights, part):
            net.load_state_dict(state_of(weights, part))
    return net


@contextmanager
def _matching(weights: str, part: str) -> Generator[None]:
    """WeightsError if the shapes of the weights are not those of the recipe's network."""
    try:
        yield
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise WeightsError(
            f"the {part} of `{weights}` does not match the recipe: {reason}",
            hint="use the table `net` of the recipe that the weights were trained by",
        ) from None


@torch.no_grad()
def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.normal_(module.weight, 0.0, INITIAL_STD)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


@torch.no_grad()
def _initialise_he(module: nn.Module) -> None:
    """He et al. 2015: without a norm, the variance must be kept by the initial weights."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, NEGATIVE_SLOPE)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
