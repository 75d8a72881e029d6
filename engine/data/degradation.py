"""Synthetic degradation of pictures: the second-order model of Real-ESRGAN.

Wang et al. 2021, section 3: blur, resize, noise and JPEG, twice over, then a sinc filter, whose
ringing is that of overshot sharpening. The ranges are those published for the x4 model; `severity`
moves each from harmless (0) to them (1).
"""

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from engine.core.luma import REC_601
from engine.core.table import Table
from engine.images.ranges import to_pixels, to_tensor
from engine.runtime.draws import Draws

Floats = NDArray[np.float32]
Random = np.random.Generator

KERNELS = range(3, 11)
"""Half sizes of the kernels: 7 to 21 px wide."""
RESAMPLERS = (cv2.INTER_AREA, cv2.INTER_LINEAR, cv2.INTER_CUBIC)


class Order(Table):
    """One pass of blur, resize, noise and JPEG; ranges at severity 1."""

    blurred: float = Field(default=1.0, ge=0, le=1)
    """Share of the pictures that are blurred."""
    sigma: tuple[float, float] = (0.2, 3.0)
    """Of the Gaussian, in px of the clean picture."""
    sinc: float = Field(default=0.1, ge=0, le=1)
    """Share of the blurs that are sinc filters."""
    smaller: float = Field(default=0.7, ge=0, le=1)
    """Share of the resizes that shrink; a tenth keeps the size, the rest enlarge."""
    scale: tuple[float, float] = (0.15, 1.5)
    noise: tuple[float, float] = (1.0, 30.0)
    """Standard deviation of Gaussian noise, in levels of 255."""
    poisson: tuple[float, float] = (0.05, 3.0)
    """Strength of shot noise."""
    noised: float = Field(default=1.0, ge=0, le=1)
    """Share of the pictures that become noisy."""
    gray_noise: float = Field(default=0.4, ge=0, le=1)
    jpeg: tuple[float, float] = (30.0, 95.0)
    """Quality."""
    coded: float = Field(default=1.0, ge=0, le=1)
    """Share of the pictures that pass through JPEG."""


class Degradation(Table):
    """How pictures are degraded for training and validation."""

    severity: float = Field(default=1.0, ge=0, le=1)
    first: Order = Order()
    second: Order = Order(
        blurred=0.8, sigma=(0.2, 1.5), smaller=0.3, scale=(0.3, 1.2),
        noise=(1.0, 25.0), poisson=(0.05, 2.5),
    )  # fmt: skip
    untouched: float = Field(default=0.0, ge=0, le=1)
    """Share of the pictures that only change their size."""
    twice: float = Field(default=1.0, ge=0, le=1)
    """Share of the others that pass both orders; the rest pass the first."""
    saved: float = Field(default=0.0, ge=0, le=1)
    """Share whose last JPEG has the final size, as a file that nobody resized since."""
    grainy: float = Field(default=0.0, ge=0, le=1)
    """Share of those that are noisy at their final size, as by the second order: no resize has
    averaged such noise."""
    last_sinc: float = Field(default=0.8, ge=0, le=1)
    gray: float = Field(default=0.0, ge=0, le=1)
    """Share of the pictures that lose their colours."""

    def apply(self, picture: Floats, size: tuple[int, int], random: Random) -> Floats:
        """Degrade a clean RGB (h, w, 3) in [0, 1], resized to `size` (height, width)."""
        whole = picture.shape[:2]
        if _happens(self.untouched, random):
            return np.clip(_sized(picture, size, random), 0, 1).astype(np.float32)
        orders = (self.first, self.second) if _happens(self.twice, random) else (self.first,)
        for order in orders:
            picture = self._pass(picture, order, whole, random)
        ring = random.random() < self.last_sinc * self.severity
        first = ring and random.random() < 0.5  # before or after the last file, as published
        if _happens(self.saved, random) or first:
            picture = _sized(picture, size, random)
            picture = _filtered(picture, _sinc(random)) if ring else picture
            if _happens(self.grainy, random):
                picture = self._noisy(picture, self.second, random)
            picture = self._coded(picture, self.second, random)
        else:
            picture = self._coded(picture, self.second, random)
            picture = _sized(picture, size, random)
            picture = _filtered(picture, _sinc(random)) if ring else picture
        if random.random() < self.gray:
            picture = np.repeat((picture @ np.asarray(REC_601, np.float32))[..., None], 3, axis=2)
        return np.clip(picture, 0, 1).astype(np.float32)

    def _pass(
        self, picture: Floats, order: Order, whole: tuple[int, ...], random: Random
    ) -> Floats:
        if random.random() < order.blurred * (0.5 + self.severity / 2):
            picture = _filtered(picture, self._kernel(order, random))
        factor = self._factor(order, random)
        height, width = (max(round(side * factor), 8) for side in whole[:2])
        picture = _sized(picture, (height, width), random)
        if _happens(order.noised, random):
            picture = self._noisy(picture, order, random)
        return self._coded(picture, order, random)

    def _kernel(self, order: Order, random: Random) -> Floats:
        if random.random() < order.sinc * self.severity:
            return _sinc(random)
        low, high = order.sigma
        high = low + (high - low) * self.severity
        across, down = random.uniform(low, high, 2)
        if random.random() < 0.5:  # isotropic
            down = across
        return _gaussian(across, down, random.uniform(0, np.pi), int(random.choice(KERNELS)))

    def _factor(self, order: Order, random: Random) -> float:
        chance, (low, high) = random.random(), order.scale
        low, high = 1 - (1 - low) * self.severity, 1 + (high - 1) * self.severity
        if chance < order.smaller:
            return random.uniform(low, 1)
        return 1.0 if chance < order.smaller + 0.1 else random.uniform(1, high)

    def _noisy(self, picture: Floats, order: Order, random: Random) -> Floats:
        planes = 1 if random.random() < order.gray_noise else 3
        if random.random() < 0.5:
            sigma = random.uniform(*order.noise) * self.severity / 255
            grain = random.standard_normal((*picture.shape[:2], planes)) * sigma
        else:
            # Photons: the variance of a value grows with it, in 255 levels.
            strength = random.uniform(*order.poisson) * self.severity
            light = np.clip(picture, 0, 1).mean(axis=2, keepdims=True) if planes == 1 else picture
            light = np.clip(light, 0, 1) * 255
            grain = (random.poisson(light) - light) * strength / 255
        return (picture + grain).astype(np.float32)

    def _coded(self, picture: Floats, order: Order, random: Random) -> Floats:
        if not _happens(order.coded, random):
            return picture
        low, high = order.jpeg
        return _jpeg(picture, round(random.uniform(high - (high - low) * self.severity, high)))


def degraded(pictures: Tensor, how: Degradation, size: int, draws: Draws) -> Tensor:
    """Clean (b, 3, h, w) in [-1, 1] to degraded (b, 3, size, size), each sample by its own draw."""
    seeds = draws.integers("degraded", 0, 1 << 62).tolist()
    samples = [
        how.apply(_floats(picture), (size, size), np.random.default_rng(seed))
        for picture, seed in zip(pictures, seeds, strict=True)
    ]
    return torch.from_numpy(np.stack(samples)).permute(0, 3, 1, 2).contiguous() * 2 - 1


def degraded_pixels(
    pixels: NDArray[np.uint8], how: Degradation, size: tuple[int, int], seed: int
) -> NDArray[np.uint8]:
    """Degrade one clean RGB uint8 (h, w, 3), resized to `size` (height, width)."""
    sample = how.apply(_floats(to_tensor(pixels)[0]), size, np.random.default_rng(seed))
    return to_pixels(torch.from_numpy(sample).permute(2, 0, 1) * 2 - 1)


def _happens(share: float, random: Random) -> bool:
    """Whether a thing of that share happens; the certain draw no number."""
    return share >= 1 or (share > 0 and random.random() < share)


def _floats(picture: Tensor) -> Floats:
    return ((picture + 1) / 2).permute(1, 2, 0).contiguous().numpy()


def _filtered(picture: Floats, kernel: Floats) -> Floats:
    return np.asarray(cv2.filter2D(picture, -1, kernel), np.float32)


def _sized(picture: Floats, size: tuple[int, ...], random: Random) -> Floats:
    how = RESAMPLERS[int(random.integers(len(RESAMPLERS)))]
    height, width = size[:2]
    return np.asarray(cv2.resize(picture, (width, height), interpolation=how), np.float32)


def _jpeg(picture: Floats, quality: int) -> Floats:
    levels = np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8)
    _, file = cv2.imencode(".jpg", levels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    back = cv2.imdecode(file, cv2.IMREAD_COLOR)
    assert back is not None
    return np.ascontiguousarray(back[..., ::-1]).astype(np.float32) / np.float32(255)


def _gaussian(across: float, down: float, angle: float, half: int) -> Floats:
    ticks = np.arange(-half, half + 1, dtype=np.float64)
    x, y = np.meshgrid(ticks, ticks)
    u, v = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    bell = np.exp(-0.5 * ((u / across) ** 2 + (v / down) ** 2))
    return (bell / bell.sum()).astype(np.float32)


def _sinc(random: Random) -> Floats:
    """A circular low pass (equation 6 of the paper), as a separable product of two sincs."""
    half, cutoff = int(random.choice(KERNELS)), random.uniform(np.pi / 3, np.pi)
    ticks = np.arange(-half, half + 1, dtype=np.float64)
    line = np.sinc(ticks * cutoff / np.pi)
    kernel = line[:, None] * line[None]
    return (kernel / kernel.sum()).astype(np.float32)
