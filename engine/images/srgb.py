"""From whatever a file holds (deep, indexed, inked, transparent) to plain 8-bit sRGB."""

import io
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

# Neutral for the statistics of exposure, where white or black would count as clipped.
BACKDROP = 128

Pixels = NDArray[np.uint8]


def to_srgb(image: Image.Image) -> Pixels:
    """Bring any mode to (h, w, 3) uint8 sRGB, colours first, transparency last."""
    pixels, alpha = srgb_and_alpha(image)
    if alpha is None:
        return pixels
    share = alpha.astype(np.float32)[..., None] / 255
    return np.rint(pixels * share + BACKDROP * (1 - share)).astype(np.uint8)


def srgb_and_alpha(image: Image.Image) -> tuple[Pixels, Pixels | None]:
    """Bring any mode to (h, w, 3) uint8 sRGB, and the opacity (h, w) uint8 where it has one."""
    base, alpha = _without_alpha(_to_eight_bits(image))
    profile = image.info.get("icc_profile")
    colour = _through_profile(base, profile) if profile else None
    if colour is None:
        colour = _plain_rgb(base)
    return np.asarray(colour), None if alpha is None else np.asarray(alpha)


def _to_eight_bits(image: Image.Image) -> Image.Image:
    """Scale deep grey by its own range: 16 bits by 65535, float and 32 bits by `_unit`."""
    if image.mode.startswith("I;16"):
        deep = np.asarray(image).astype(np.float32) / 65535
    elif image.mode in ("I", "F"):
        deep = _unit(np.asarray(image, dtype=np.float64))
    else:
        return image
    return Image.fromarray(np.rint(deep * 255).astype(np.uint8))


def _unit(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Guess the white of values without a stated range: 1, 255 or 65535, else their maximum."""
    finite = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    low, high = min(float(finite.min()), 0.0), float(finite.max())
    white = next((white for white in (1.0, 255.0, 65535.0) if high <= white), high)
    return (finite - low) / (white - low)


def _without_alpha(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    premultiplied = {"RGBa": "RGBA", "La": "LA"}
    if image.mode in premultiplied:
        image = image.convert(premultiplied[image.mode])
    if image.mode in ("P", "PA"):
        image = image.convert("RGBA" if _has_alpha(image) else "RGB")
    elif image.mode in ("L", "RGB", "1") and _has_alpha(image):
        image = image.convert("RGBA")
    if image.mode in ("RGBA", "LA"):
        return image.convert(image.mode[:-1]), image.getchannel("A")
    return image, None


def _has_alpha(image: Image.Image) -> bool:
    return image.mode == "PA" or "transparency" in image.info


def _plain_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "LAB":
        lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        transform = ImageCms.buildTransform(lab, srgb, "LAB", "RGB")
        return cast("Image.Image", ImageCms.applyTransform(image, transform))
    return image.convert("RGB")


def _through_profile(image: Image.Image, profile: bytes) -> Image.Image | None:
    """Convert by the embedded ICC profile; None where it is sRGB, foreign or damaged."""
    spaces = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK", "Lab": "LAB"}
    try:
        source = cast("Any", ImageCms.getOpenProfile(cast("Any", io.BytesIO(profile))))
        if "srgb" in ImageCms.getProfileDescription(source).lower():
            return None
        space = spaces.get(source.profile.xcolor_space.strip())
        if space != image.mode:
            return None
        target = ImageCms.createProfile("sRGB")
        return ImageCms.profileToProfile(image, source, target, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        # A damaged profile costs a shade of colour; refusing would cost the photo.
        return None
