"""Changes of pictures before the discriminator sees them: the same kinds for real and painted.

Differentiable (Zhao et al. 2020, DiffAugment). Colours stay: they carry the mood.
"""

from typing import Literal

import torch
from torch import Tensor

ChangeName = Literal["translation", "cutout", "flip"]
SHIFT, HOLE = 0.125, 0.5
"""Largest shift and side of the hole, in sides of the picture."""


def changed(
    pictures: Tensor, kinds: tuple[ChangeName, ...], told: Tensor, chance: Tensor | float = 1.0
) -> Tensor:
    """Pictures (b, 3, s, s) moved, mirrored or with a hole, each kind with its chance.

    told: (b, 8) uniform in 0..1.
    """
    side = pictures.shape[-1]
    for kind in kinds:
        match kind:
            case "translation":
                on = (told[:, 0] < chance).float()
                way = (told[:, 1:3] * 2 - 1) * SHIFT * on[:, None]
                pictures = _moved(pictures, (way * side).round().long())
            case "cutout":
                on = told[:, 3] < chance
                pictures = torch.where(
                    on[:, None, None, None], _holed(pictures, told[:, 4:6]), pictures
                )
            case "flip":
                on = (told[:, 6] < 0.5) & (told[:, 7] < chance)
                pictures = torch.where(on[:, None, None, None], pictures.flip(3), pictures)
    return pictures


def _moved(pictures: Tensor, way: Tensor) -> Tensor:
    """Moved by whole pixels (b, 2), right and down; what comes in is grey.

    As products with shifted identities: indexing is slow backwards, and sampling has no second
    derivative, which R1 needs.
    """
    places = torch.arange(pictures.shape[-1], device=pictures.device)
    across, down = (
        (places[None, :, None] - places == way[:, axis, None, None]).to(pictures.dtype)[:, None]
        for axis in (0, 1)
    )
    return down @ pictures @ across.transpose(2, 3)


def _holed(pictures: Tensor, centre: Tensor) -> Tensor:
    side = pictures.shape[-1]
    half = HOLE * side / 2
    places = torch.arange(side, device=pictures.device)[None] + 0.5
    across = (places - centre[:, :1] * side).abs() < half
    down = (places - centre[:, 1:] * side).abs() < half
    hole = (across[:, None, :] & down[:, :, None])[:, None]
    return pictures * ~hole


def adapted(chance: Tensor, real: Tensor, *, target: float, pictures: int, slow: int) -> Tensor:
    """The chance of a change after a look at the logits of real pictures.

    Karras et al. 2020 (ADA, section 3.1): up where more than `target` of the signs say real, as
    fast as would take `slow` pictures from 0 to 1.
    """
    sign = torch.sign(real.float()).mean() - target
    return (chance + torch.sign(sign) * pictures / slow).clamp(0, 0.85)
