"""The contact sheet of a prepared folder."""

from pathlib import Path

import numpy as np
from PIL import Image

from engine.core.errors import InputError
from engine.data.manifest import Row, read_manifest
from engine.images.saving import save_png
from engine.images.sheet import contact_sheet

MOST = 2_000


def draw_sheet(folder: Path, path: Path, *, columns: int, cell: int) -> int:
    """Draw the pictures of a prepared folder by age and write them to `path`; returns how many."""
    rows = [row for row in read_manifest(folder) if row.status == "done" and row.output]
    if not rows:
        raise InputError(f"there are no pictures in `{folder}`")
    rows.sort(key=lambda row: (row.person or "", row.age is None, row.age or 0.0, row.key))
    rows = rows[:MOST]
    pictures = [_shrunk(folder / str(row.output), cell) for row in rows]
    captions = [_caption(row) for row in rows]
    title = f"{folder.resolve().name}: {len(rows)} pictures"
    sheet = contact_sheet(
        pictures, captions, columns=min(columns, len(rows)), cell=cell, title=title
    )
    save_png(path, sheet, {"made": "contact sheet"})
    return len(rows)


def _shrunk(path: Path, cell: int) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB").resize((cell, cell), Image.Resampling.LANCZOS))


def _caption(row: Row) -> str:
    age = "age unknown" if row.age is None else f"{row.age:g} years"
    notes = [note for note in (row.split, row.verdict, *(row.reasons or ())) if note]
    name = Path(str(row.source or row.output)).name
    return f"{age}\n{', '.join(notes) or name}"
