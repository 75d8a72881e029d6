"""Landmarks from a file: a manifest, or the output of another detector."""

import json
from functools import cache
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from engine.core.errors import UsageError
from engine.core.ledger import read_rows

SUFFIXES = (".json", ".jsonl")
POINTS = 68


def holds_points(path: Path | None) -> bool:
    """Whether a landmarks file lists points rather than being a model."""
    return path is not None and path.suffix.lower() in SUFFIXES


@cache
def read_points(path: Path) -> dict[str, NDArray[np.float32]]:
    """Points (68, 2) by the name of their photo, in pixels of the upright photo.

    Reads `{"a.jpg": {"landmarks": [[x, y], ...]}}`, the same without the inner table, and the rows
    of a manifest. UsageError names the entry that is wrong.
    """
    landmarks: dict[str, NDArray[np.float32]] = {}
    for name, entry in _entries(path).items():
        listed = entry.get("landmarks") if isinstance(entry, dict) else entry
        try:
            points = np.asarray(listed, np.float32)
        except (TypeError, ValueError):
            points = np.empty(0, np.float32)
        if points.shape != (POINTS, 2) or not np.isfinite(points).all():
            raise UsageError(
                f"the points of `{name}` in `{path}` are not {POINTS} pairs of numbers"
            )
        landmarks[name] = points
    return landmarks


def points_of(photo: Path, known: dict[str, NDArray[np.float32]]) -> NDArray[np.float32] | None:
    """The known points of a photo, by its path or by its name."""
    for name in (photo.as_posix(), *(p.as_posix() for p in _tails(photo))):
        if name in known:
            return known[name]
    return None


def _tails(photo: Path) -> list[Path]:
    """`b/c.png` and `c.png` of `a/b/c.png`: names are relative to some folder above."""
    return [Path(*photo.parts[start:]) for start in range(1, len(photo.parts))]


def _entries(path: Path) -> dict[str, Any]:
    if path.suffix.lower() == ".jsonl":
        rows = [row for row in read_rows(path) if row.get("landmarks") is not None]
        return {str(row.get("source") or row.get("output")): row for row in rows}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"the points in `{path}` cannot be read: {error}") from None
    if not isinstance(content, dict):
        raise UsageError(f"`{path}` does not list points by the name of their photo")
    return cast(dict[str, Any], content)
