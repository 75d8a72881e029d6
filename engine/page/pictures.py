"""Pictures as the page shows them."""

import io
from typing import Any

from PIL import Image

from engine.core.jsontext import to_json
from engine.faces.rotation import Pixels
from engine.images.saving import tool_version

QUALITY = 88


def jpeg(picture: Pixels, made: dict[str, Any] | None = None) -> bytes:
    """A picture (h, w, 3) to be shown; one that was made says so in its comment."""
    said = {} if made is None else {"comment": to_json({"tool": f"tm {tool_version()}", **made})}
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=QUALITY, **said)
    return buffer.getvalue()
