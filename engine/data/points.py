"""Landmarks from a file: a manifest, or the output of another detector; or boxes alone."""

from functools import cache
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from engine.core.errors import UsageError
from engine.core.jsontext import from_json
from engine.core.ledger import read_rows
from engine.core.regular import read_text

SUFFIXES = (".json", ".jsonl")
POINTS, FEW, CORNERS = 68, 5, 2
"""All points; those of both eyes, the nose and the corners of the mouth; those of a box."""


def holds_points(path: Path | None) -> bool:
    """Whether a landmarks file lists points rather than being a model."""
    return path is not None and path.suffix.lower() in SUFFIXES


@cache
def read_points(path: Path) -> dict[str, NDArray[np.float32]]:
    """Points by the name of their photo, in pixels of the upright photo.

    (68, 2), or (5, 2) in the order eye, eye, nose, corner, corner of the mouth, each pair from left
    to right in the photo; or (2, 2), top left and bottom right of a box around the face.

    Reads `{"a.jpg": {"landmarks": [[x, y], ...]}}`, the same without the inner table,
    `{"a.jpg": {"box": [left, top, right, bottom]}}`, and the rows of a manifest. UsageError names
    the entry that is wrong.
    """
    landmarks: dict[str, NDArray[np.float32]] = {}
    for name, entry in _entries(path).items():
        listed = _listed(entry)
        try:
            points = np.asarray(listed, np.float32)
        except (TypeError, ValueError):
            points = np.empty(0, np.float32)
        sizes = [(count, 2) for count in (POINTS, FEW, CORNERS)]
        if points.shape not in sizes or not np.isfinite(points).all():
            raise UsageError(
                f"the points of `{name}` in `{path}` are not {POINTS} pairs of numbers",
                hint="nor 5 (eyes, nose, corners of the mouth), nor a `box` of 4 numbers",
            )
        if len(points) == CORNERS and not (points[0] < points[1]).all():
            raise UsageError(f"the box of `{name}` in `{path}` has no area")
        landmarks[name] = points
    return landmarks


def _listed(entry: Any) -> Any:
    """Pairs of numbers of an entry, those of its box where it has no landmarks."""
    if not isinstance(entry, dict):
        return entry
    table = cast("dict[str, Any]", entry)
    box = table.get("box")
    if table.get("landmarks") is None and isinstance(box, list) and len(cast(Any, box)) == 4:
        return [box[:2], box[2:]]
    return table.get("landmarks")


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
        content = from_json(read_text(path))
    except (OSError, ValueError) as error:
        raise UsageError(f"the points in `{path}` cannot be read: {error}") from None
    if not isinstance(content, dict):
        raise UsageError(f"`{path}` does not list points by the name of their photo")
    return cast(dict[str, Any], content)
