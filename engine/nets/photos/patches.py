"""A patch discriminator of skin at an age, for the refiner of the photo model."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

PLANES = 3
WIDTHS = (16, 32, 64, 64)
STRIDES = (2, 2, 2, 1)
SCALES = 2
CENTRE, SPREAD = 57.0, 20.0
DARKEST_SPREAD = 0.03
"""The least spread of light by which skin is standardised."""
GAIN = 1.8
"""What each layer amplifies, or spectral normalisation would let too little through."""
PROJECTION = 0.1
"""Weight of the age's projection beside the plain logit."""
FINER_THAN = 2.0
"""Sigma in px of what is taken off for the plane of detail."""


class AgePatchDiscriminator(nn.Module):
    """Is the skin of a face that of somebody of this age? Logits of patches at two scales.

    Patches as of Isola et al. 2017, section 3.2; the age by projection (Miyato and Koyama 2018);
    spectral normalisation (Miyato et al. 2018), so that no penalty is needed.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stacks = nn.ModuleList(_stack() for _ in range(SCALES))
        self.heads = nn.ModuleList(
            spectral_norm(nn.Conv2d(WIDTHS[-1], 1, 3, padding=1)) for _ in range(SCALES)
        )
        self.ages = nn.ModuleList(
            nn.Sequential(nn.Linear(4, 32), nn.LeakyReLU(0.2), nn.Linear(32, WIDTHS[-1]))
            for _ in range(SCALES)
        )

    def forward(self, skin: Tensor, age: Tensor) -> list[Tensor]:
        """Logits (b, n) of each scale, finest first, of `skin_planes` (b, 3, s, s) at ages (b,)."""
        z = (age - CENTRE) / SPREAD
        powers = torch.stack([torch.ones_like(z), z, z**2, z**3 / 3], 1)
        logits: list[Tensor] = []
        for scale in range(SCALES):
            maps = self.stacks[scale](F.avg_pool2d(skin, 2**scale) if scale else skin)
            wanted = self.ages[scale](powers)[:, :, None, None]
            fit = (maps * wanted).sum(1, keepdim=True)
            logits.append((self.heads[scale](maps) + PROJECTION * fit).flatten(1))
        return logits


def skin_planes(picture: Tensor, mask: Tensor) -> Tensor:
    """What the discriminator sees of pictures (b, 3, s, s) in [-1, 1]: (b, 3, s, s).

    Their light where the mask (b, 1, s, s) has skin, less its mean and over its spread; that less
    what is coarse; and the mask. So neither exposure nor the colour of skin tells real from made.
    """
    light = picture.mean(1, keepdim=True)
    total = mask.sum((2, 3), keepdim=True).clamp(min=1.0)
    mean = (light * mask).sum((2, 3), keepdim=True) / total
    variance = ((light - mean).square() * mask).sum((2, 3), keepdim=True) / total
    light = (light - mean) / (variance + DARKEST_SPREAD**2).sqrt() * mask
    return torch.cat([light, light - smoothed(light, FINER_THAN), mask], 1)


def smoothed(picture: Tensor, sigma: float | Tensor) -> Tensor:
    """Pictures (b, c, h, w) under a Gaussian of seven taps; sigma: in px, of all or of each."""
    sigmas = torch.as_tensor(sigma, dtype=picture.dtype, device=picture.device).expand(len(picture))
    taps = torch.arange(-3.0, 4.0, dtype=picture.dtype, device=picture.device)
    kernel = torch.exp(-0.5 * (taps / sigmas[:, None]).square())
    kernel = (kernel / kernel.sum(1, keepdim=True)).repeat_interleave(picture.shape[1], 0)
    flat = picture.reshape(1, -1, *picture.shape[2:])
    padded = F.pad(flat, (3, 3, 3, 3), mode="replicate")
    rows = F.conv2d(padded, kernel[:, None, None, :], groups=len(kernel))
    return F.conv2d(rows, kernel[:, None, :, None], groups=len(kernel)).reshape(picture.shape)


class _Amplified(nn.Module):
    """A leaky ReLU, stronger by GAIN."""

    def forward(self, x: Tensor) -> Tensor:
        return GAIN * F.leaky_relu(x, 0.2)


def _stack() -> nn.Sequential:
    layers: list[nn.Module] = []
    planes = PLANES
    for width, stride in zip(WIDTHS, STRIDES, strict=True):
        side = 4 if stride == 2 else 3
        layers += [spectral_norm(nn.Conv2d(planes, width, side, stride, 1)), _Amplified()]
        planes = width
    return nn.Sequential(*layers)
