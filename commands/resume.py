"""A run goes on."""

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from commands._console import emit_json, say
from commands._options import AsJson, DryRun
from commands._training import callback, tell

HELP = "Go on with a run exactly where it stopped."
EXAMPLE = "tm resume runs/identity"


def run(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of the run.")],
    until: Annotated[
        int | None, typer.Option(min=1, help="Stop after this step.", show_default="the end")
    ] = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    from engine.trainings.series.runs import resume_any, standing

    if dry_run:
        runs = [
            {"run": name, "step": done, "steps": steps} for name, done, steps in standing(folder)
        ]
        if as_json:
            emit_json({"dry_run": True, "runs": runs})
        for row in runs:
            say(f"`{escape(str(row['run']))}` would go on at step {row['step']} of {row['steps']}")
        return
    tell(folder, resume_any(folder, until=until, callback=callback), as_json=as_json)
