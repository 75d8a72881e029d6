"""The ageing model: frozen prior, personal adapter and generator as one (Qi et al. 2025)."""

from copy import deepcopy
from typing import NamedTuple, Self

from torch import Tensor, nn

from engine.nets.adapter import Adapter
from engine.nets.encoders.gradual import with_age_plane
from engine.nets.loading import frozen
from engine.nets.style import NoiseSource, StyleDecoder, StyleEncoder


class Portrait(NamedTuple):
    """Pictures (b, 3, size, size), about [-1, 1], and the w+ (b, n_styles, style width) of them."""

    image: Tensor
    w_plus: Tensor


class TimeMachine(nn.Module):
    """An aligned photo and a target age to the portrait at that age.

    `psp` and `sam` with `latent_average` (n_styles, style width) are the prior and stay frozen.
    `encoder` is a trained copy of SAM's encoder (stage 1 of a personal run), `adapter` the
    personal correction; without both the model is SAM itself.
    """

    latent_average: Tensor

    def __init__(
        self,
        *,
        psp: StyleEncoder,
        sam: StyleEncoder,
        latent_average: Tensor,
        decoder: StyleDecoder,
        adapter: Adapter | None = None,
        encoder: StyleEncoder | None = None,
    ) -> None:
        super().__init__()
        wanted = (decoder.shape.n_latent, decoder.shape.style_width)
        if tuple(latent_average.shape) != wanted:
            raise ValueError(f"the latent average must be {wanted}, not {latent_average.shape}")
        if sam.shape.planes != psp.shape.planes + 1:
            raise ValueError("SAM's encoder takes one plane more than pSp's: the age")
        self.psp = frozen(psp)
        self.sam = frozen(sam)
        self.register_buffer("latent_average", latent_average.clone())
        self.encoder = encoder
        self.adapter = adapter
        self.decoder = decoder
        if encoder is not None and _share_memory(encoder, sam):
            raise ValueError("the trained encoder shares its weights with the frozen prior")
        self.train(self.training)

    def with_trained_encoder(self) -> Self:
        """Start a trainable copy of the prior's encoder, equal to it at first."""
        self.encoder = deepcopy(self.sam).requires_grad_(True)
        return self

    def with_parts(
        self, *, encoder: StyleEncoder | None, adapter: Adapter | None, decoder: StyleDecoder
    ) -> "TimeMachine":
        """The same frozen prior with other personal parts; nothing is copied."""
        return TimeMachine(
            psp=self.psp,
            sam=self.sam,
            latent_average=self.latent_average,
            decoder=decoder,
            adapter=adapter,
            encoder=encoder,
        ).eval()

    def train(self, mode: bool = True) -> Self:
        """As of any module, but no batch norm leaves its running statistics."""
        super().train(mode)
        for encoder in (self.psp, self.sam, self.encoder):
            if encoder is not None:
                encoder.eval()
        return self

    def invert(self, photo: Tensor) -> Tensor:
        """w+ of the photo (b, 3, s, s) at its own age: pSp's codes on the latent average."""
        return self.psp(photo) + self.latent_average

    def prior(self, photo: Tensor, ages: Tensor, inverted: Tensor | None = None) -> Tensor:
        """w+ at `ages` (n,) in years as the global prior has it, from n photos or from one.

        `inverted` is what `invert` gave for the photo; without it, it is computed. A photo that
        takes a gradient gets one through the frozen encoders: detach it where that is not meant.
        """
        return self._aged(self.sam, photo, ages, inverted)

    def codes(
        self,
        photo: Tensor,
        ages: Tensor,
        *,
        inverted: Tensor | None = None,
        prior: Tensor | None = None,
    ) -> Tensor:
        """Personal w+ at `ages`: by the trained encoder if there is one, then by the adapter.

        `prior` is what `prior` gave for the same photo and ages; it spares SAM's pass in a model
        without a trained encoder, and is not used in one with.
        """
        if self.encoder is not None:
            w_plus = self._aged(self.encoder, photo, ages, inverted)
        else:
            w_plus = self.prior(photo, ages, inverted) if prior is None else prior
        return w_plus if self.adapter is None else self.adapter(w_plus, ages)

    def decode(self, w_plus: Tensor, *, noise: NoiseSource = "stored") -> Tensor:
        """Pictures (b, 3, size, size) of w+."""
        return self.decoder(w_plus, noise=noise)

    def forward(
        self,
        photo: Tensor,
        ages: Tensor,
        *,
        inverted: Tensor | None = None,
        noise: NoiseSource = "stored",
    ) -> Portrait:
        """Portraits at `ages` (n,) in years of n photos, or of one photo at n ages."""
        w_plus = self.codes(photo, ages, inverted=inverted)
        return Portrait(self.decode(w_plus, noise=noise), w_plus)

    def _aged(
        self,
        encoder: StyleEncoder,
        photo: Tensor,
        ages: Tensor,
        inverted: Tensor | None,
    ) -> Tensor:
        if ages.dim() != 1 or len(photo) not in (1, len(ages)):
            raise ValueError(f"{len(photo)} photos do not go with ages {tuple(ages.shape)}")
        if inverted is None:
            inverted = self.invert(photo)
        planes = with_age_plane(photo.expand(len(ages), -1, -1, -1), ages)
        return encoder(planes) + inverted


def _share_memory(one: nn.Module, other: nn.Module) -> bool:
    theirs = {parameter.data_ptr() for parameter in other.parameters()}
    return any(parameter.data_ptr() in theirs for parameter in one.parameters())
