"""Landscapes from valence and arousal."""

from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.markup import escape

from commands._console import emit_json, say
from commands._options import AsJson, OnDevice

HELP = "Paint landscapes from valence (0 sad, 1 glad) and arousal (0 calm, 1 stirred)."
EXAMPLE = "tm gan --va 0.8,0.3 --out calm.png"
MIDDLE, SWEPT = "0.5,0.5", 7


def run(
    va: Annotated[
        str | None, typer.Option("--va", metavar="V,A", help="Valence and arousal, each in 0..1.")
    ] = None,
    out: Annotated[Path, typer.Option(help="The picture; with -n more are numbered.")] = Path(
        "landscape.png"
    ),
    count: Annotated[int, typer.Option("-n", help="How many land")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="The first landscape's number.")] = 0,
    grid: Annotated[
        int | None, typer.Option(help="One landscape all over the plane, so many a side.")
    ] = None,
    sweep: Annotated[
        Literal["v", "a"] | None, typer.Option(help="One landscape as this one rises.")
    ] = None,
    truncation: Annotated[float, typer.Option(help="Below 1: less varied, safer.")] = 1.0,
    size: Annotated[
        int | None, typer.Option(help="Side in pixels.", show_default="as painted")
    ] = None,
    weights: Annotated[
        str, typer.Option(help="A run, a weights file, or a name of `tm weights list`.")
    ] = "landscapes",
    device: OnDevice = "auto",
    as_json: AsJson = False,
) -> None:
    from engine.core.errors import UsageError
    from engine.inference.landscapes import (
        Painter,
        numbered,
        parse_place,
        save_landscape,
        several,
        sheet,
    )
    from engine.inference.landscapes import (
        grid as over_plane,
    )
    from engine.inference.landscapes import (
        sweep as along,
    )
    from engine.runtime.device import choose

    if va is None and grid is None and sweep is None:
        raise UsageError("which mood?", hint="give `--va 0.8,0.3`, `--grid 5` or `--sweep v`")
    if grid is not None and (va is not None or sweep is not None):
        raise UsageError("a grid covers the whole plane: it takes no place and no sweep")
    place = parse_place(MIDDLE if va is None else va)
    if grid is not None:
        wishes, columns = over_plane(grid, seed), grid
    elif sweep is not None:
        wishes = along(sweep, SWEPT, place, seed)
        columns = len(wishes)
    else:
        wishes, columns = several(place, count, seed), 0
    painter = Painter.of(weights, choose(device).device)
    pictures = list(painter.paint(wishes, truncation=truncation, size=size))
    made = painter.weights | {"truncation": truncation}
    if columns:
        save_landscape(out, sheet(pictures, columns), wishes, made)
        files = [out] * len(wishes)
    else:
        files = [numbered(out, index, len(wishes)) for index in range(len(wishes))]
        for path, pixels, wish in zip(files, pictures, wishes, strict=True):
            save_landscape(path, pixels, [wish], made)
    if as_json:
        told = [
            {"file": str(f), "valence": w.valence, "arousal": w.arousal, "seed": w.seed}
            for f, w in zip(files, wishes, strict=True)
        ]
        emit_json({"landscapes": told, **made})
    say(f"[green]{len(wishes)} painted[/] in `{escape(str(out.parent if not columns else out))}`")
