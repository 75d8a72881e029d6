"""What an encoder to style codes and a decoder from them must offer: w+ in between."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Literal, Protocol

import torch
from torch import Tensor, nn

NoiseSource = Literal["stored"] | Sequence[Tensor] | torch.Generator
"""The planes kept with the weights, given planes, or fresh ones from a generator."""


class EncoderShape(Protocol):
    """Planes of the input, its side in px, and the styles that come out."""

    @property
    def planes(self) -> int: ...
    @property
    def size(self) -> int: ...
    @property
    def n_styles(self) -> int: ...
    @property
    def style_width(self) -> int: ...


class DecoderShape(Protocol):
    """Style vectors that go in, their width, and the side of the picture in px."""

    @property
    def n_latent(self) -> int: ...
    @property
    def style_width(self) -> int: ...
    @property
    def size(self) -> int: ...


class StyleEncoder(nn.Module, ABC):
    """Aligned portraits (b, planes, size, size) in [-1, 1] to codes (b, n_styles, style width)."""

    @property
    @abstractmethod
    def shape(self) -> EncoderShape:
        """What goes in and what comes out."""

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor: ...


class StyleDecoder(nn.Module, ABC):
    """w+ (b, n_latent, style width) to portraits (b, 3, size, size), about [-1, 1]."""

    @property
    @abstractmethod
    def shape(self) -> DecoderShape:
        """What goes in and what comes out."""

    @abstractmethod
    def forward(self, w_plus: Tensor, *, noise: NoiseSource = "stored") -> Tensor: ...

    @abstractmethod
    def stored_noise(self) -> list[Tensor]:
        """The planes of noise kept with the weights."""

    @abstractmethod
    def fresh_noise(self, batch: int, draw: torch.Generator) -> list[Tensor]:
        """New planes of noise for `batch` pictures."""

    @abstractmethod
    def random_codes(self, batch: int, draw: torch.Generator) -> Tensor:
        """w+ (batch, n_latent, style width) of people who do not exist."""
