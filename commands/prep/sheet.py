"""A prepared folder at a glance."""

from pathlib import Path
from typing import Annotated

import typer

from commands._console import emit_json, escape, say
from commands._options import AsJson, DryRun
from commands._progress import LiveProgress

HELP = "Draw a contact sheet of a prepared folder: pictures, ages, and what the filter decided."
EXAMPLE = "tm prep sheet aligned/ --out sheet.png"
WRITES = True


def run(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A prepared folder.")],
    out: Annotated[
        Path | None, typer.Option(help="The picture to write.", show_default="DIR-sheet.png")
    ] = None,
    columns: Annotated[int, typer.Option(min=1, help="Pictures in a row.")] = 8,
    cell: Annotated[int, typer.Option(min=48, max=1024, help="Pixels a picture.")] = 160,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    from engine.app.prep import draw_sheet, forecast_sheet

    path = folder.with_name(f"{folder.resolve().name}-sheet.png") if out is None else out
    if dry_run:
        count = forecast_sheet(folder, path)
        if as_json:
            emit_json({"dry_run": True, "sheet": str(path), "pictures": count})
        say(f"would draw {count} pictures on `{escape(str(path))}`")
        return
    count = draw_sheet(folder, path, columns=columns, cell=cell, progress=LiveProgress())
    if as_json:
        emit_json({"sheet": str(path), "pictures": count})
    say(f"{count} pictures on `{escape(str(path))}`")
