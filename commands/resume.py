"""Continue a run."""

from pathlib import Path
from typing import Annotated

import typer

from commands._console import emit_json, escape, say, say_compute
from commands._options import AsJson, Device, Devices, DryRun, Nodes
from commands._training import make_callback, print_outcome

HELP = "Continue a run exactly where it stopped."
EXAMPLE = "tm resume runs/identity --steps +3k --rate 1e-6"


def run(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of the run.")],
    until: Annotated[
        int | None, typer.Option(min=1, help="Stop after this step.", show_default="the end")
    ] = None,
    steps: Annotated[
        str | None, typer.Option(metavar="+N", help="Further steps after the last, as `+3k`.")
    ] = None,
    rate: Annotated[
        float | None, typer.Option(help="Their learning rate.", show_default="as it ended")
    ] = None,
    accept_changes: Annotated[
        bool, typer.Option("--accept-changes", help="Go on though its recipe was edited.")
    ] = False,
    device: Annotated[
        Device | None,
        typer.Option(help="Where to compute.", show_default="as before", rich_help_panel="Common"),
    ] = None,
    devices: Devices = None,
    nodes: Nodes = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    from engine.app.resume import (
        best_so_far,
        compute_of_run,
        forecast_resume,
        resume,
        steps_done,
    )

    if dry_run:
        forecast = forecast_resume(
            folder,
            until=until,
            steps=steps,
            rate=rate,
            accept_changes=accept_changes,
            device=device,
            devices=devices,
            nodes=nodes,
        )
        runs = [{"run": name, "step": done, "steps": total} for name, done, total in forecast]
        if as_json:
            emit_json({"dry_run": True, "runs": runs})
        for row in runs:
            name = escape(str(row["run"]))
            say(f"`{name}` would continue at step {row['step']} of {row['steps']}")
        return
    forecast = steps_done(folder)
    say_compute(compute_of_run(folder, device))
    for name, done, total in forecast:
        if (done and done < total) or steps is not None:
            place = escape(name)
            best = best_so_far(folder) if len(forecast) == 1 else None
            known = f" (best {best[0]} {best[1]:.4g} at {best[2]:,})" if best is not None else ""
            more = f" and {escape(steps)} more" if steps is not None else ""
            say(f"`{place}` continues at step {done:,} of {total:,}{more}{known}")
    outcome = resume(
        folder,
        until=until,
        steps=steps,
        rate=rate,
        accept_changes=accept_changes,
        device=device,
        devices=devices,
        nodes=nodes,
        callback=make_callback,
    )
    print_outcome(folder, outcome, as_json=as_json)
