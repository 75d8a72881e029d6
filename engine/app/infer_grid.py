"""Photos at several strengths of ageing, side by side."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from engine.core.ledger import read_rows
from engine.core.lock import locked
from engine.images.reading import read_picture
from engine.images.saving import save_png
from engine.inference.folder import RESULTS

CELL = 192
"""Height in px of a picture in a grid."""


def folder_of(out: Path, strength: float) -> Path:
    """Where the portraits of one strength are."""
    return out / f"strength_{strength:g}"


def save_grids(out: Path, strengths: Sequence[float], ages: Sequence[float]) -> list[Path]:
    """Write `<stem>_grid.png` for every photo: a row for each strength, a column for each age.

    Photos that were not aged at every strength and age have none. UsageError for a picture of that
    name which tm did not make.
    """
    aged: dict[str, dict[tuple[float, float], Path]] = {}
    for strength in strengths:
        folder = folder_of(out, strength)
        for row in read_rows(folder / RESULTS):
            if row.get("status") == "done":
                path = folder / str(row["output"])
                aged.setdefault(Path(str(row["source"])).stem, {})[
                    (strength, float(row["target_age"]))
                ] = path
    wanted = [(strength, float(age)) for strength in strengths for age in ages]
    grids: list[Path] = []
    with locked(out, guarded=True) as held:
        for stem, pictures in sorted(aged.items()):
            if not all(place in pictures for place in wanted):
                continue
            cells = [_cell(pictures[place]) for place in wanted]
            lines = [
                np.concatenate(cells[at : at + len(ages)], axis=1)
                for at in range(0, len(cells), len(ages))
            ]
            grid = out / f"{stem}_grid.png"
            held.require_own(grid.name)
            made = {"made": "aged", "synthetic": True, "strengths": list(strengths)}
            save_png(grid, np.concatenate(lines), made)
            grids.append(grid)
    return grids


def _cell(path: Path) -> np.ndarray:
    """A picture at the height of a cell, uint8 RGB."""
    picture = Image.fromarray(read_picture(path).pixels)
    width = max(round(picture.width * CELL / picture.height), 1)
    return np.asarray(picture.resize((width, CELL), Image.Resampling.LANCZOS))
