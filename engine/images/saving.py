"""Pictures to PNG files: atomically written, with their provenance inside."""

from importlib.metadata import PackageNotFoundError, version
from io import BytesIO
from pathlib import Path
from typing import Any, cast

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from engine.core.atomic import write_bytes
from engine.core.errors import PictureError
from engine.core.jsontext import from_json, to_json
from engine.images.png import write_png
from engine.images.raster import Raster
from engine.images.reading import opened

KEY = "tm"
"""The PNG text entry that holds the provenance as JSON."""
RENDERED = "rendered"
"""What is `made` of the pictures of a drawn world."""


def save_png(
    path: Path, pixels: np.ndarray, provenance: dict[str, Any], *, photograph: bool = False
) -> None:
    """Write uint8 RGB pixels (h, w, 3) with their provenance.

    photograph: as of `write_png`.

    Raises DiskError or UsageError as `engine.core.atomic.written` does.
    """
    write_bytes(path, png_bytes(pixels, provenance, photograph=photograph))


def png_bytes(pixels: np.ndarray, provenance: dict[str, Any], *, photograph: bool = False) -> bytes:
    """The PNG file of uint8 RGB pixels (h, w, 3)."""
    text = to_json({"tool": f"tm {tool_version()}", **provenance})
    buffer = BytesIO()
    if photograph:
        write_png(buffer, Raster(pixels), {KEY: text}, photograph=True)
        return buffer.getvalue()
    info = PngInfo()
    info.add_itxt(KEY, text)
    Image.fromarray(pixels).save(buffer, "PNG", pnginfo=info, compress_level=4)
    return buffer.getvalue()


def provenance_of(path: Path) -> dict[str, Any] | None:
    """The provenance in a PNG of ours; None for any other picture. PictureError if it is none."""
    with opened(path) as picture:
        text = picture.info.get(KEY)
    try:
        provenance = from_json(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return cast("dict[str, Any]", provenance) if isinstance(provenance, dict) else None


def is_rendered(path: Path) -> bool:
    """Whether tm drew the picture, as its provenance says. PictureError if it is no picture."""
    return (provenance_of(path) or {}).get("made") == RENDERED


def require_photograph(path: Path) -> None:
    """PictureError for a picture that tm made from others; what it rendered from nothing is a
    photograph of the drawn world."""
    if (mark := synthetic_mark(path)) is not None:
        raise PictureError(
            f"was made by tm ({mark['made']}), it is no photograph"
            " (`--include-synthetic` takes it)",
            status="skipped",
        )


def synthetic_mark(path: Path) -> dict[str, Any] | None:
    """What a picture made from this one has to say of itself, too; None for a photograph."""
    provenance = provenance_of(path)
    if provenance is None or not provenance.get("synthetic"):
        return None
    made = provenance.get("made")
    return None if made == "rendered" else {"made": made, "synthetic": True}


def tool_version() -> str:
    """The version of tm that files record."""
    try:
        return version("tm-toolkit")
    except PackageNotFoundError:  # run from a source tree that was never installed
        return "from source"
