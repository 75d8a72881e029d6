"""The contact sheet of a prepared folder."""

from pathlib import Path

import numpy as np
from PIL import Image

from engine.core.errors import InputError, PictureError
from engine.core.progress import Progress, reported
from engine.core.single import require_free
from engine.data.manifest import Row, read_manifest
from engine.images.reading import read_picture
from engine.images.saving import save_png
from engine.images.sheet import contact_sheet

MOST = 2_000


def rows_of_sheet(folder: Path) -> list[Row]:
    """The pictures that a sheet would show, by person and age; InputError if there are none."""
    rows = [row for row in read_manifest(folder) if row.status == "done" and row.output]
    if not rows:
        raise InputError(f"there are no pictures in `{folder}`")
    rows.sort(key=lambda row: (row.person or "", row.age is None, row.age or 0.0, row.key))
    return rows[:MOST]


def draw_sheet(folder: Path, path: Path, *, columns: int, cell: int, progress: Progress) -> int:
    """Draw the pictures of a prepared folder by age and write them to `path`; returns how many.

    Unreadable pictures are reported and skipped; InputError if none is left.
    """
    rows = rows_of_sheet(folder)
    require_free([path], inputs=[folder / str(row.output) for row in rows])
    cells: list[tuple[np.ndarray, str]] = []
    with reported(progress, "Drawing", len(rows)):
        for row in rows:
            try:
                cells.append((_shrunk(folder / str(row.output), cell), _caption(row)))
            except PictureError as error:
                progress.remark(f"`{row.output}` {error.reason}: skipped")
            progress.advance(str(row.output))
    if not cells:
        raise InputError(f"none of the pictures in `{folder}` can be read")
    pictures, captions = zip(*cells, strict=True)
    title = f"{folder.resolve().name}: {len(cells)} pictures"
    sheet = contact_sheet(
        pictures, captions, columns=min(columns, len(cells)), cell=cell, title=title
    )
    save_png(path, sheet, {"made": "contact sheet"})
    return len(cells)


def _shrunk(path: Path, cell: int) -> np.ndarray:
    picture = Image.fromarray(read_picture(path).pixels)
    return np.asarray(picture.resize((cell, cell), Image.Resampling.LANCZOS))


def _caption(row: Row) -> str:
    age = "age unknown" if row.age is None else f"{row.age:g} years"
    notes = [note for note in (row.split, row.verdict, *(row.reasons or ())) if note]
    name = Path(str(row.source or row.output)).name
    return f"{age}\n{', '.join(notes) or name}"
