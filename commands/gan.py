"""Landscapes from valence and arousal."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from commands._console import emit_json, escape, say, say_compute
from commands._options import AsJson, OnDevice

HELP = "Render landscapes of given valence (0 negative, 1 positive) and arousal (0 low, 1 high)."
EXAMPLE = "tm gan --va 0.8,0.3 --out lake.png"
WRITES = True


def run(
    va: Annotated[
        str | None, typer.Option("--va", metavar="V,A", help="Valence and arousal, each in 0..1.")
    ] = None,
    scale: Annotated[
        float, typer.Option(help="What 1 is written as: 9 for ratings from 1 to 9.")
    ] = 1.0,
    grid: Annotated[
        int | None, typer.Option(help="One landscape over the whole plane, so many a side.")
    ] = None,
    sweep: Annotated[
        Literal["v", "a"] | None,
        typer.Option(help="Landscapes along rising valence or arousal, one a row."),
    ] = None,
    count: Annotated[int, typer.Option("-n", help="Number of landscapes.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the first landscape.")] = 0,
    truncation: Annotated[
        float, typer.Option(help="Below 1: less diverse, closer to the mean.")
    ] = 1.0,
    size: Annotated[
        int | None, typer.Option(help="Side in pixels.", show_default="that of the generator")
    ] = None,
    weights: Annotated[
        str, typer.Option(help="A run, a weights file, or a name of `tm weights list`.")
    ] = "landscapes",
    out: Annotated[
        Path, typer.Option(help="PNG file, numbered if there are several; JSON beside each.")
    ] = Path("landscape.png"),
    device: OnDevice = "auto",
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Say what would happen, touch nothing.", rich_help_panel="Common"
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    from engine.app.compute import describe_compute
    from engine.app.gan import render_landscapes

    if not dry_run:
        say_compute(describe_compute(device))
    report = render_landscapes(
        out, va=va, scale=scale, grid=grid, sweep=sweep, count=count, seed=seed,
        truncation=truncation, size=size, weights=weights, device=device, dry_run=dry_run,
    )  # fmt: skip
    if as_json:
        emit_json(report)
    first, *others = report["files"]
    files = f"`{escape(first)}`" + (f" and {len(others)} more" if others else "")
    if dry_run:
        say(f"would render {report['landscapes']} landscapes into {files}")
    else:
        say(f"[green]{len(report['landscapes'])} rendered[/] into {files}")
