"""SHA-256 of files and of settings, by which a rerun recognises what has not changed."""

import hashlib
from pathlib import Path
from typing import Any

from engine.core.jsontext import to_json
from engine.core.regular import open_regular


def file_sha256(path: Path) -> str:
    """The SHA-256 of a regular file's content, in hexadecimal; OSError as of `open_regular`."""
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def settings_digest(settings: dict[str, Any]) -> str:
    """Twelve characters that change whenever any setting does."""
    text = to_json(settings, sort_keys=True)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:12]
