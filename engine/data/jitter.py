"""Data augmentation: colour jitter, flips and shifts of pictures and landmarks."""

from math import ceil, pi

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from engine.core.luma import REC_601
from engine.core.numbers import Span
from engine.core.table import Table
from engine.geometry.landmarks import FLIP
from engine.runtime.draws import Draws


class ColorJitter(Table):
    """Jitter of hue, saturation and brightness, so that no network infers age from colour."""

    hue: float = Field(default=180.0, ge=0, le=180)
    """Largest rotation about the grey axis, in degrees."""
    saturation: Span = Span(0, 2)
    brightness: Span = Span(0.85, 1.15)
    share: float = Field(default=0.8, ge=0, le=1)
    """Share of the pictures that are changed at all."""
    patches: bool = True
    """Whether a picture has two jitters in soft patches: hair changes without the skin."""
    grey: float = Field(default=0.0, ge=0, le=1)
    """Share of all pictures that lose their colours."""


class Quality(Table):
    """How pictures lose sharpness and gain grain, so that no network depends on either."""

    blurred: float = Field(default=0.5, ge=0, le=1)
    """Share of the pictures that are blurred, by a Gaussian."""
    sigma: Span = Span(0.3, 1.5)
    """Of the Gaussian, in px of the network's input."""
    sharpened: float = Field(default=0.0, ge=0, le=1)
    """Share of the others that are sharpened, by an unsharp mask of the same sigma."""
    grain: float = Field(default=0.0, ge=0, le=0.5)
    """Largest standard deviation of Gaussian noise, the same in all channels; the range is 2."""


class Shading(Table):
    """How the coarse light and colours of pictures change, so that no network lives on patches."""

    share: float = Field(default=0.5, ge=0, le=1)
    """Share of the pictures that are changed at all."""
    cells: int = Field(default=8, ge=2, le=64)
    """What a grid of so many cells a side shows of the picture is its shading."""
    kept: Span = Span(0, 1)
    """How much of the picture's own shading, about its mean, remains."""
    deviation: float = Field(default=0.25, ge=0, le=1)
    """Standard deviation of the random shading that is added; the range is 2."""


def recoloured(pictures: Tensor, jitter: ColorJitter, draws: Draws) -> Tensor:
    """Pictures (b, 3, h, w) in [-1, 1], each with hue, saturation and brightness of its own."""
    on = (draws.uniform("recoloured") < jitter.share)[:, None, None, None]
    first = _redrawn(pictures, jitter, draws, "first")
    if jitter.patches:
        second = _redrawn(pictures, jitter, draws, "second")
        first = torch.lerp(first, second, _patches(pictures, draws))
    pictures = torch.where(on, first, pictures)
    if not jitter.grey:
        return pictures
    grey = (draws.uniform("grey") < jitter.grey)[:, None, None, None]
    return torch.where(grey, luma_of(pictures), pictures)


def luma_of(pictures: Tensor) -> Tensor:
    """Pictures (b, 3, h, w) without their colours."""
    luma = torch.einsum("c,bchw->bhw", pictures.new_tensor(REC_601), pictures)
    return luma[:, None].expand_as(pictures)


def requalified(pictures: Tensor, quality: Quality, draws: Draws) -> Tensor:
    """Pictures (b, 3, h, w) in [-1, 1], each with sharpness and grain of its own."""
    kind = draws.uniform("quality")[:, None, None, None]
    low_pass = _blurred(pictures, draws.uniform("sigma", **quality.sigma._asdict()))
    sharpened = (2 * pictures - low_pass).clamp(-1, 1)
    sharp = quality.blurred + (1 - quality.blurred) * quality.sharpened
    result = torch.where(kind < sharp, sharpened, pictures)
    result = torch.where(kind < quality.blurred, low_pass, result)
    if not quality.grain:
        return result
    deviation = quality.grain * draws.uniform("grain")[:, None, None, None]
    grain = draws.normal("grain pattern", 1, *pictures.shape[2:])
    return (result + deviation * grain).clamp(-1, 1)


def reshaded(pictures: Tensor, shading: Shading, draws: Draws) -> Tensor:
    """Pictures (b, 3, h, w) in [-1, 1], each with a shading of its own in place of its own one.

    As the exchange of low frequencies for domain adaptation (Yang and Soatto 2020), by a random
    field in place of another picture's.
    """
    on = (draws.uniform("reshaded") < shading.share)[:, None, None, None]
    kept = draws.uniform("kept shading", **shading.kept._asdict())[:, None, None, None]
    own = F.adaptive_avg_pool2d(pictures, shading.cells)
    own = own - own.mean(dim=(2, 3), keepdim=True)
    side = (shading.cells, shading.cells)
    light = draws.normal("shading", 1, *side) + 0.5 * draws.normal("tints", 3, *side)
    field = shading.deviation * light - (1 - kept) * own
    field = F.interpolate(field, size=pictures.shape[2:], mode="bicubic", align_corners=False)
    return torch.where(on, (pictures + field).clamp(-1, 1), pictures)


def turned(pictures: Tensor, hue: Tensor, saturation: Tensor, brightness: Tensor) -> Tensor:
    """Turn hues by `hue` radians about the grey axis, luma unchanged; then scale light from black.

    pictures: (b, 3, h, w) in [-1, 1]; the others (b,). Hue 0 and both factors 1 change nothing.
    """
    luma = torch.einsum("c,bchw->bhw", pictures.new_tensor(REC_601), pictures)[:, None]
    chroma = torch.einsum("bij,bjhw->bihw", _turn(hue), pictures - luma)
    # The rotation changes luma a little, since its weights are not equal: remove that.
    chroma = chroma - torch.einsum("c,bchw->bhw", pictures.new_tensor(REC_601), chroma)[:, None]
    light = luma + chroma * saturation[:, None, None, None]
    return ((light + 1) * brightness[:, None, None, None] - 1).clamp(-1, 1)


def flipped(pictures: Tensor, on: Tensor) -> Tensor:
    """Mirror the pictures (b, 3, h, w) where `on` (b,) is true."""
    return torch.where(on[:, None, None, None], pictures.flip(3), pictures)


def flipped_points(points: Tensor, on: Tensor, width: int) -> Tensor:
    """Mirror the points (b, 68, 2), in pixels of pictures of that width, where `on` (b,) is true.

    Left stays left: the points keep their order as people see it.
    """
    mirrored = points[:, torch.from_numpy(FLIP)]
    mirrored = torch.stack([width - 1 - mirrored[..., 0], mirrored[..., 1]], dim=2)
    return torch.where(on[:, None, None], mirrored, points)


def shifted(pictures: Tensor, by: Tensor) -> Tensor:
    """Move each picture (b, 3, h, w) by whole pixels `by` (b, 2) to the right and down.

    The border repeats into what comes free.
    """
    reach = int(by.abs().max()) if len(by) else 0
    height, width = pictures.shape[2:]
    padded = F.pad(pictures, (reach, reach, reach, reach), mode="replicate")
    crops = [
        picture[:, reach - down : reach - down + height, reach - right : reach - right + width]
        for picture, (right, down) in zip(padded, by.tolist(), strict=True)
    ]
    return torch.stack(crops)


def _redrawn(pictures: Tensor, jitter: ColorJitter, draws: Draws, name: str) -> Tensor:
    hue = draws.uniform(f"{name} hue", low=-1.0) * (jitter.hue * pi / 180)
    saturation = draws.uniform(f"{name} saturation", **jitter.saturation._asdict())
    brightness = draws.uniform(f"{name} brightness", **jitter.brightness._asdict())
    return turned(pictures, hue, saturation, brightness)


def _patches(pictures: Tensor, draws: Draws) -> Tensor:
    """Soft masks (b, 1, h, w) in [0, 1] of a few blots each."""
    coarse = draws.normal("patches", 1, 4, 4)
    smooth = F.interpolate(coarse, size=pictures.shape[2:], mode="bicubic", align_corners=False)
    return (4 * smooth).sigmoid()


def _blurred(pictures: Tensor, sigma: Tensor) -> Tensor:
    """Pictures (b, 3, h, w) under Gaussians of sigma (b,), in px."""
    reach = max(1, ceil(3 * float(sigma.max())))
    steps = torch.arange(-reach, reach + 1)
    taps = torch.softmax(-0.5 * (steps / sigma[:, None]).square(), dim=1)
    batch, channels, height, width = pictures.shape
    taps = taps.repeat_interleave(channels, 0)[:, None, None]
    padded = F.pad(pictures, (reach,) * 4, mode="replicate")
    planes = padded.view(1, batch * channels, *padded.shape[2:])
    planes = F.conv2d(planes, taps, groups=batch * channels)
    planes = F.conv2d(planes, taps.transpose(2, 3), groups=batch * channels)
    return planes.view(batch, channels, height, width)


def _turn(angle: Tensor) -> Tensor:
    """Rotations (b, 3, 3) of RGB about the grey axis (Rodrigues' formula)."""
    across = torch.tensor([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]]) / 3**0.5
    along = torch.full((3, 3), 1 / 3)
    cos, sin = angle.cos()[:, None, None], angle.sin()[:, None, None]
    return cos * torch.eye(3) + sin * across + (1 - cos) * along
