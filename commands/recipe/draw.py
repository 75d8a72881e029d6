"""A schedule before it goes into a recipe."""

from typing import Annotated

import typer

from commands._console import emit_json
from commands._curve import draw_curve, sampled
from commands._options import AsJson

HELP = "Draw a schedule in the terminal, as a recipe would write it."
EXAMPLE = 'tm recipe draw "0:0.05, 20k:0.07, 36k:0.05" --until 45k'


def run(
    schedule: Annotated[
        str,
        typer.Argument(
            metavar="SCHEDULE", help='A number, "step:value, ..." or a TOML table in braces.'
        ),
    ],
    until: Annotated[
        str | None, typer.Option(help="Last step to draw.", show_default="a little past the end")
    ] = None,
    as_json: AsJson = False,
) -> None:
    from engine.app.recipe import read_schedule, read_step

    drawn, last = read_schedule(schedule), None if until is None else read_step(until)
    if as_json:
        emit_json({"schedule": drawn.dump(), "points": sampled(drawn, last)})
    else:
        draw_curve(schedule, drawn, last)
