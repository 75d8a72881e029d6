"""One step of the game: real pictures, painted ones, and what the networks make of them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar, cast

import torch
from torch import Tensor

from engine.landscapes.nets.discriminator import LandscapeDiscriminator, Verdict
from engine.landscapes.nets.encoder import Code, LandscapeEncoder
from engine.landscapes.nets.generator import LandscapeGenerator

Found = TypeVar("Found")


@dataclass(frozen=True, slots=True, eq=False)
class LandscapeNetworks:
    """The networks of the game, and how pictures are compared."""

    generator: LandscapeGenerator
    discriminator: LandscapeDiscriminator | None
    encoder: LandscapeEncoder | None
    distance: Callable[[Tensor, Tensor], Tensor]
    """Pictures (b, 3, s, s) twice to a scalar, as people see it or as near as we can."""


@dataclass(frozen=True, slots=True)
class LandscapeLossInputs:
    """What the losses of one turn look at; nothing is painted or judged twice."""

    parts: LandscapeNetworks
    real: Tensor
    """(b, 3, s, s) in [-1, 1]."""
    places: Tensor
    """(b, 2) in 0..1: where the real pictures lie."""
    asked: Tensor
    """(b, 2): what the generator is asked for."""
    elsewhere: Tensor
    """(b, 2): another wish for the same code."""
    normal: Tensor
    """(b, latent): the code of the painted pictures, standard normal."""
    other: Tensor
    """(b, latent): another code for the same wish."""
    augmented: Callable[[Tensor], Tensor]
    """Pictures as the discriminator sees them: real and painted ones are changed alike."""
    painting: bool
    """Whether this is the generator's turn."""
    memo: dict[str, object] = field(default_factory=dict[str, object], repr=False)

    def painted(self) -> Tensor:
        """Pictures of the code at the places asked for; no gradient in the other's turn."""
        return self._once("painted", lambda: self._paint(self.normal, self.asked))

    def twins(self) -> Tensor:
        """Pictures of the same code elsewhere in the plane."""
        return self._once("twins", lambda: self._paint(self.normal, self.elsewhere))

    def mates(self) -> Tensor:
        """Pictures of another code at the same places."""
        return self._once("mates", lambda: self._paint(self.other, self.asked))

    def code(self) -> Code:
        """What the encoder makes of the real pictures."""
        encoder = self.parts.encoder
        if encoder is None:
            raise ValueError("this game has no encoder")
        return self._once("code", lambda: encoder(self.real))

    def rebuilt(self) -> Tensor:
        """The real pictures from their own codes and places."""
        return self._once(
            "rebuilt",
            lambda: self.parts.generator(self.code().drawn(self.other), self.places),
        )

    def verdict(self, which: str) -> Verdict:
        """What the discriminator says of the `real` or the `painted` pictures."""
        if which == "real":
            return self._once("real", lambda: self._judge(self.real, self.places))
        return self._once("fake", lambda: self._judge(self.painted(), self.asked))

    def slope(self, which: str) -> Tensor:
        """Squared slope of the logit at the real or the painted pictures, averaged: a scalar."""
        picture = self.real if which == "real" else self.painted()
        places = self.places if which == "real" else self.asked
        with torch.autocast(picture.device.type, enabled=False):
            seen = picture.detach().float().requires_grad_(True)
            logits = self._judge(seen, places).logits.float()
            (found,) = torch.autograd.grad(logits.sum(), seen, create_graph=True)
        return found.square().sum(dim=(1, 2, 3)).mean()

    def _judge(self, pictures: Tensor, places: Tensor) -> Verdict:
        if self.parts.discriminator is None:
            raise ValueError("this training has no discriminator")
        return self.parts.discriminator(self.augmented(pictures), places)

    def _paint(self, normal: Tensor, places: Tensor) -> Tensor:
        generator = self.parts.generator
        if self.painting:
            return generator(generator.codes(normal), places)
        with torch.no_grad():
            return generator(generator.codes(normal), places)

    def _once(self, name: str, compute: Callable[[], Found]) -> Found:
        if name not in self.memo:
            self.memo[name] = compute()
        return cast("Found", self.memo[name])
