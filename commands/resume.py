"""Continue a run."""

from pathlib import Path
from typing import Annotated

import typer

from commands._console import emit_json, escape, say
from commands._options import AsJson, DryRun
from commands._training import make_callback, print_outcome

HELP = "Continue a run exactly where it stopped."
EXAMPLE = "tm resume runs/identity"


def run(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of the run.")],
    until: Annotated[
        int | None, typer.Option(min=1, help="Stop after this step.", show_default="the end")
    ] = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    from engine.app.resume import resume, run_progress

    if dry_run:
        runs = [
            {"run": name, "step": done, "steps": steps}
            for name, done, steps in run_progress(folder)
        ]
        if as_json:
            emit_json({"dry_run": True, "runs": runs})
        for row in runs:
            name = escape(str(row["run"]))
            say(f"`{name}` would continue at step {row['step']} of {row['steps']}")
        return
    print_outcome(folder, resume(folder, until=until, callback=make_callback), as_json=as_json)
