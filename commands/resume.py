"""Continue a run."""

from pathlib import Path
from typing import Annotated

import typer

from commands._console import emit_json, escape, say
from commands._options import AsJson, Device, DryRun
from commands._training import make_callback, print_outcome

HELP = "Continue a run exactly where it stopped."
EXAMPLE = "tm resume runs/identity"


def run(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of the run.")],
    until: Annotated[
        int | None, typer.Option(min=1, help="Stop after this step.", show_default="the end")
    ] = None,
    device: Annotated[
        Device | None,
        typer.Option(help="Where to compute.", show_default="as before", rich_help_panel="Common"),
    ] = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    from engine.app.resume import forecast_resume, resume

    if dry_run:
        runs = [
            {"run": name, "step": done, "steps": steps}
            for name, done, steps in forecast_resume(folder, until=until, device=device)
        ]
        if as_json:
            emit_json({"dry_run": True, "runs": runs})
        for row in runs:
            name = escape(str(row["run"]))
            say(f"`{name}` would continue at step {row['step']} of {row['steps']}")
        return
    outcome = resume(folder, until=until, device=device, callback=make_callback)
    print_outcome(folder, outcome, as_json=as_json)
