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
from engine.images.reading import opened

KEY = "tm"
"""The PNG text entry that holds the provenance as JSON."""


def save_png(path: Path, pixels: np.ndarray, provenance: dict[str, Any]) -> None:
    """Write uint8 RGB pixels (h, w, 3) with their provenance.

    Raises DiskError or UsageError as `engine.core.atomic.written` does.
    """
    write_bytes(path, png_bytes(pixels, provenance))


def png_bytes(pixels: np.ndarray, provenance: dict[str, Any]) -> bytes:
    """The PNG file of uint8 RGB pixels (h, w, 3)."""
    info, buffer = PngInfo(), BytesIO()
    info.add_itxt(KEY, to_json({"tool": f"tm {tool_version()}", **provenance}))
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
