"""Landscapes from valence and arousal."""

from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.markup import escape

from commands._console import emit_json, say
from commands._options import AsJson, OnDevice

HELP = "Paint landscapes from valence (0 sad, 1 glad) and arousal (0 calm, 1 stirred)."
EXAMPLE = "tm gan --va 0.8,0.3 --out calm.png"


def run(
    va: Annotated[
        str | None, typer.Option("--va", metavar="V,A", help="Valence and arousal, each in 0..1.")
    ] = None,
    grid: Annotated[
        int | None, typer.Option(help="One landscape all over the plane, so many a side.")
    ] = None,
    sweep: Annotated[
        Literal["v", "a"] | None, typer.Option(help="Landscapes as this one rises, a row each.")
    ] = None,
    count: Annotated[int, typer.Option("-n", help="How many landscapes.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Number of the first landscape.")] = 0,
    truncation: Annotated[float, typer.Option(help="Below 1: less varied, safer.")] = 1.0,
    size: Annotated[
        int | None, typer.Option(help="Side in pixels.", show_default="as painted")
    ] = None,
    weights: Annotated[
        str, typer.Option(help="A run, a weights file, or a name of `tm weights list`.")
    ] = "landscapes",
    out: Annotated[
        Path, typer.Option(help="The picture, numbered if there are more; JSON stands beside.")
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
    from engine.landscapes.inference.render import Order, Painter, paint_order

    order = Order.of(
        va=va, grid=grid, sweep=sweep, count=count, seed=seed, out=out,
        truncation=truncation, size=size,
    )  # fmt: skip
    files = sorted({str(file) for file in order.files})
    if dry_run:
        if as_json:
            emit_json({"dry_run": True, "landscapes": len(order.wishes), "files": files})
        say(f"would paint {len(order.wishes)} landscapes into {_told(files)}")
        return
    from engine.runtime.device import choose

    told = paint_order(order, Painter.of(weights, choose(device).device))
    if as_json:
        emit_json(told)
    say(f"[green]{len(order.wishes)} painted[/] into {_told(files)}")


def _told(files: list[str]) -> str:
    first = f"`{escape(files[0])}`"
    return first if len(files) == 1 else f"{first} and {len(files) - 1} more"
