"""Differentiable augmentation of the discriminator's input: the same for real and generated images.

Zhao et al. 2020 (DiffAugment). Colours are never changed: they carry valence and arousal.
"""

from typing import Literal

import torch
from torch import Tensor

from engine.runtime.shared import shared_mean

AugmentationName = Literal["translation", "cutout", "flip"]
UNIFORMS = 8
"""Uniform numbers that one augmentation of one image uses."""
SHIFT, HOLE = 0.125, 0.5
"""Largest shift and side of the hole, in sides of the image."""


def augmented(
    pictures: Tensor,
    kinds: tuple[AugmentationName, ...],
    uniforms: Tensor,
    probability: Tensor | float = 1.0,
) -> Tensor:
    """Pictures (b, 3, s, s) shifted, mirrored or with a hole, each kind with `probability`.

    uniforms: (b, 8) in 0..1, the random numbers.
    """
    side = pictures.shape[-1]
    for kind in kinds:
        match kind:
            case "translation":
                on = (uniforms[:, 0] < probability).float()
                shift = (uniforms[:, 1:3] * 2 - 1) * SHIFT * on[:, None]
                pictures = _shifted(pictures, (shift * side).round().long())
            case "cutout":
                on = uniforms[:, 3] < probability
                pictures = torch.where(
                    on[:, None, None, None], _cut_out(pictures, uniforms[:, 4:6]), pictures
                )
            case "flip":
                on = (uniforms[:, 6] < 0.5) & (uniforms[:, 7] < probability)
                pictures = torch.where(on[:, None, None, None], pictures.flip(3), pictures)
    return pictures


def _shifted(pictures: Tensor, shift: Tensor) -> Tensor:
    """Shifted by whole pixels (b, 2), right and down; the border is filled with grey.

    As products with shifted identities: indexing is slow backwards, and sampling has no second
    derivative, which R1 needs.
    """
    pixels = torch.arange(pictures.shape[-1], device=pictures.device)
    across, down = (
        (pixels[None, :, None] - pixels == shift[:, axis, None, None]).to(pictures.dtype)[:, None]
        for axis in (0, 1)
    )
    return down @ pictures @ across.transpose(2, 3)


def _cut_out(pictures: Tensor, centre: Tensor) -> Tensor:
    side = pictures.shape[-1]
    half = HOLE * side / 2
    pixels = torch.arange(side, device=pictures.device)[None] + 0.5
    across = (pixels - centre[:, :1] * side).abs() < half
    down = (pixels - centre[:, 1:] * side).abs() < half
    hole = (across[:, None, :] & down[:, :, None])[:, None]
    return pictures * ~hole


def adapted_probability(
    probability: Tensor, real_logits: Tensor, *, target: float, images: int, ramp_images: int
) -> Tensor:
    """The augmentation probability after `images` more real images, in 0..0.85.

    Karras et al. 2020 (ADA, section 3.1): it rises where the mean sign of the logits of real
    images, over all processes, exceeds `target`, else falls, at a speed of 1 per `ramp_images`
    images.
    """
    sign = shared_mean(torch.sign(real_logits.float()).mean()) - target
    return (probability + torch.sign(sign) * images / ramp_images).clamp(0, 0.85)
