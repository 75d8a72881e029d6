"""Quality of an aligned face as training data: scores, and the reasons to drop it."""

from dataclasses import asdict, dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from engine.core.table import Table
from engine.faces.crop import padding_share
from engine.faces.rotation import Pixels
from engine.geometry.ffhq import Quad
from engine.geometry.landmarks import yaw

# Every face is scored at this size, so that sharpness does not depend on the size of the file;
# the inner face is the central 65%, as in the preprocessing of MyTimeMachine.
SCALE, INNER = 256, 0.65
BLACK, WHITE = 4, 251


@dataclass(frozen=True, slots=True)
class Scores:
    """Measured values; None where the source is not known."""

    laplacian: float
    """Variance of the Laplacian of the inner face, levels squared."""
    tenengrad: float
    """Mean squared Sobel gradient of the inner face, levels squared."""
    brightness: float
    """Mean luma of the inner face, 0..255."""
    contrast: float
    """Standard deviation of that luma."""
    crushed: float
    """Share of the inner face at black."""
    blown: float
    """Share of the inner face at white."""
    gray: bool
    profile: bool
    yaw: float | None
    """Degrees, positive when the nose points right."""
    padding: float | None
    """Share of the picture that lies outside the photo."""
    side: float | None
    """Side of the FFHQ square in pixels of the photo: the detail that was really there."""

    def dump(self) -> dict[str, float | bool]:
        """Round for the manifest, leaving out what is not known."""
        known = {key: value for key, value in asdict(self).items() if value is not None}
        return {k: v if isinstance(v, bool) else round(v, 4) for k, v in known.items()}


class QualityLimits(Table):
    """When to drop a face. Sharpness fails only if both its measures do."""

    min_side: float = Field(default=128, ge=0)
    """Pixels of the photo across the FFHQ square: below, even the smallest stack invents."""
    min_laplacian: float = Field(default=12, ge=0)
    """Sharp portraits measured 190 to 660, blurred by a Gaussian of 3 px at 256 under 5."""
    min_tenengrad: float = Field(default=2500, ge=0)
    """Sharp portraits measured 6900 to 8700, blurred by a Gaussian of 3 px at 256 under 1900."""
    min_brightness: float = Field(default=35, ge=0, le=255)
    max_brightness: float = Field(default=225, ge=0, le=255)
    min_contrast: float = Field(default=12, ge=0)
    max_crushed: float = Field(default=0.3, ge=0, le=1)
    max_blown: float = Field(default=0.15, ge=0, le=1)
    max_yaw: float = Field(default=40, ge=0, le=90)
    max_padding: float = Field(default=0.3, ge=0, le=1)
    allow_profiles: bool = False
    allow_gray: bool = False
    """Grey photos teach grey skin; colourise them first."""


def score_face(
    pixels: Pixels,
    *,
    landmarks: NDArray[np.floating] | None = None,
    quad: Quad | None = None,
    photo_size: tuple[int, int] | None = None,
    gray: bool | None = None,
    profile: bool = False,
) -> Scores:
    """Measure an aligned (s, s, 3) RGB face.

    landmarks and quad are in source pixels, photo_size is (width, height) of the source; `gray`
    None means to decide by the pixels.
    """
    inner = inner_luma(pixels)
    across = cv2.Sobel(inner, cv2.CV_32F, 1, 0, ksize=3)
    down = cv2.Sobel(inner, cv2.CV_32F, 0, 1, ksize=3)
    return Scores(
        laplacian=float(cv2.Laplacian(inner, cv2.CV_32F).var()),
        tenengrad=float((across**2 + down**2).mean()),
        brightness=float(inner.mean()),
        contrast=float(inner.std()),
        crushed=float((inner <= BLACK).mean()),
        blown=float((inner >= WHITE).mean()),
        gray=gray if gray is not None else bool((pixels == pixels[..., :1]).all()),
        profile=profile,
        yaw=yaw(landmarks) if landmarks is not None else None,
        padding=padding_share(quad, *photo_size) if quad is not None and photo_size else None,
        side=quad.side if quad is not None else None,
    )


def inner_luma(pixels: Pixels) -> Pixels:
    """Return the central 65% of an aligned face at the fixed scale, as (n, n) uint8 luma."""
    gray = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    how = cv2.INTER_AREA if gray.shape[0] > SCALE else cv2.INTER_CUBIC
    gray = cv2.resize(gray, (SCALE, SCALE), interpolation=how).astype(np.uint8, copy=False)
    edge = round(SCALE * (1 - INNER) / 2)
    return gray[edge : SCALE - edge, edge : SCALE - edge]


def quality_faults(scores: Scores, limits: QualityLimits) -> list[str]:
    """Every reason to drop a face; empty to keep it."""
    reasons: list[str] = []
    if scores.side is not None and scores.side < limits.min_side:
        reasons.append(f"too small: {scores.side:.0f} px across, at least {limits.min_side:g}")
    if scores.laplacian < limits.min_laplacian and scores.tenengrad < limits.min_tenengrad:
        reasons.append(
            f"blurry: Laplacian {scores.laplacian:.0f} under {limits.min_laplacian:g}"
            f" and Tenengrad {scores.tenengrad:.0f} under {limits.min_tenengrad:g}"
        )
    if scores.brightness < limits.min_brightness or scores.crushed > limits.max_crushed:
        reasons.append(f"too dark: mean {scores.brightness:.0f}, {scores.crushed:.0%} black")
    if scores.brightness > limits.max_brightness or scores.blown > limits.max_blown:
        reasons.append(f"too bright: mean {scores.brightness:.0f}, {scores.blown:.0%} white")
    if scores.contrast < limits.min_contrast:
        reasons.append(f"flat: contrast {scores.contrast:.0f} under {limits.min_contrast:g}")
    if scores.profile and not limits.allow_profiles:
        reasons.append("profile: seen from the side")
    elif scores.yaw is not None and abs(scores.yaw) > limits.max_yaw:
        reasons.append(f"turned away: yaw {scores.yaw:.0f} degrees, at most {limits.max_yaw:g}")
    if scores.padding is not None and scores.padding > limits.max_padding:
        reasons.append(f"cut off: {scores.padding:.0%} of the square lies outside the photo")
    if scores.gray and not limits.allow_gray:
        reasons.append("grey: colourise it first")
    return reasons
