"""One step of the adversarial training: real images, generated ones, and the networks' outputs."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, TypeVar, cast

import torch
from torch import Tensor

from engine.landscapes.nets.discriminator import DiscriminatorOutput, LandscapeDiscriminator
from engine.landscapes.nets.encoder import LandscapeEncoder, LatentDistribution
from engine.landscapes.nets.generator import LandscapeGenerator

Value = TypeVar("Value")
Images = Literal["real", "generated"]


@dataclass(frozen=True, slots=True, eq=False)
class LandscapeNetworks:
    """The trained networks, and the perceptual distance that compares images."""

    generator: LandscapeGenerator
    discriminator: LandscapeDiscriminator | None
    encoder: LandscapeEncoder | None
    perceptual: Callable[[Tensor, Tensor], Tensor]
    """Two batches of images (b, 3, s, s) in [-1, 1] to a scalar: LPIPS or a stand-in for it."""


@dataclass(frozen=True, slots=True)
class LandscapeLossInputs:
    """What the losses of one optimizer step read; every network output is computed once."""

    networks: LandscapeNetworks
    real: Tensor
    """(b, 3, s, s) in [-1, 1]."""
    va: Tensor
    """(b, 2) in 0..1: valence and arousal of the real images."""
    target_va: Tensor
    """(b, 2): valence and arousal that the generator is conditioned on."""
    other_va: Tensor
    """(b, 2): a second condition for the same latent."""
    noise: Tensor
    """(b, latent): standard normal, the latent of the generated images."""
    other_noise: Tensor
    """(b, latent): a second latent for the same condition."""
    augment: Callable[[Tensor], Tensor]
    """Augmentation of the discriminator's input, the same for real and generated images."""
    generator_step: bool
    """Whether this is the generator's optimizer step."""
    memo: dict[str, object] = field(default_factory=dict[str, object], repr=False)

    def generated(self) -> Tensor:
        """Images of the latent at `target_va`; without gradient in the discriminator's step."""
        return self._once("generated", lambda: self._generate(self.noise, self.target_va))

    def same_latent_other_va(self) -> Tensor:
        """Images of the same latent at `other_va`."""
        return self._once("same_latent", lambda: self._generate(self.noise, self.other_va))

    def other_latent_same_va(self) -> Tensor:
        """Images of the other latent at `target_va`."""
        return self._once("same_va", lambda: self._generate(self.other_noise, self.target_va))

    def encoded(self) -> LatentDistribution:
        """The encoder's distribution for the real images."""
        encoder = self.networks.encoder
        if encoder is None:
            raise ValueError("this training has no encoder")
        return self._once("encoded", lambda: encoder(self.real))

    def reconstructed(self) -> Tensor:
        """The real images, decoded from their own latents, valence and arousal."""
        return self._once(
            "reconstructed",
            lambda: self.networks.generator(self.encoded().sample(self.other_noise), self.va),
        )

    def output(self, images: Images) -> DiscriminatorOutput:
        """The discriminator's output for the real or the generated images."""
        if images == "real":
            return self._once("real", lambda: self._discriminate(self.real, self.va))
        return self._once("fake", lambda: self._discriminate(self.generated(), self.target_va))

    def gradient_penalty(self, images: Images) -> Tensor:
        """Mean squared norm of the logit's gradient at the real or the generated images: ()."""
        picture, va = (
            (self.real, self.va) if images == "real" else (self.generated(), self.target_va)
        )
        with torch.autocast(picture.device.type, enabled=False):
            picture = picture.detach().float().requires_grad_(True)
            logits = self._discriminate(picture, va).logits.float()
            (gradient,) = torch.autograd.grad(logits.sum(), picture, create_graph=True)
        return gradient.square().sum(dim=(1, 2, 3)).mean()

    def _discriminate(self, pictures: Tensor, va: Tensor) -> DiscriminatorOutput:
        if self.networks.discriminator is None:
            raise ValueError("this training has no discriminator")
        return self.networks.discriminator(self.augment(pictures), va)

    def _generate(self, noise: Tensor, va: Tensor) -> Tensor:
        generator = self.networks.generator
        with torch.set_grad_enabled(self.generator_step and torch.is_grad_enabled()):
            return generator(generator.latents(noise), va)

    def _once(self, name: str, compute: Callable[[], Value]) -> Value:
        if name not in self.memo:
            self.memo[name] = compute()
        return cast("Value", self.memo[name])
