"""A personal model, refined for one age."""

from pathlib import Path
from typing import Annotated

import typer

from commands._console import emit_json, escape, say, say_compute
from commands._options import AsJson, Device, Devices, DryRun, Settings
from commands._training import make_callback, print_outcome
from commands.train import FROM_NOTHING as FROM_A_PERSON

HELP = "Refine a personal model for one age: a short training locked on an age window."
EXAMPLE = "tm oneshot --age 40 --jitter 2 --photos aligned/"
FROM_NOTHING = f"{FROM_A_PERSON} && {EXAMPLE.partition(' --photos')[0]}"


def run(
    age: Annotated[float, typer.Option(help="The age in years.")],
    jitter: Annotated[float, typer.Option(help="Years around it.")] = 2,
    photos: Annotated[
        Path | None,
        typer.Option(help="The person's aligned photos.", show_default="those of the run"),
    ] = None,
    start: Annotated[
        Path | None,
        typer.Option("--from", help="The run to refine.", show_default="the newest of two stages"),
    ] = None,
    bank: Annotated[
        Path | None, typer.Option(help="Bank of impostors.", show_default="that of the run")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the run.", show_default="a new one in runs/")
    ] = None,
    devices: Devices = None,
    settings: Settings = None,
    device: Annotated[
        Device | None,
        typer.Option(help="Where to compute.", show_default="as before", rich_help_panel="Common"),
    ] = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    from engine.app.compute import describe_compute
    from engine.app.oneshot import NoRunError, plan_oneshot

    on_device = [] if device is None else [f"device='{device}'"]
    try:
        plan = plan_oneshot(
            age,
            jitter=jitter,
            start=start,
            photos=photos,
            bank=bank,
            settings=[*(settings or ()), *on_device],
        )
    except NoRunError as error:
        error.hint = f"{error.hint}\nwith nothing at hand, `{FROM_NOTHING}`"
        raise
    start_name, steps = escape(str(plan.start)), plan.recipe.total_steps
    if dry_run:
        plan.check(out=out, devices=devices)
        if as_json:
            emit_json({"dry_run": True, "start": str(plan.start), "recipe": plan.recipe.dump()})
        say(f"would refine `{start_name}` for {plan.window} in {steps} steps")
        return
    say_compute(describe_compute(plan.recipe.device, plan.recipe.precision))
    if start is None:
        say(f"refines `{start_name}`, the newest run of {plan.kind_of_start}")
    folder, outcome = plan.train(out=out, devices=devices, callback=make_callback)
    print_outcome(folder, outcome, as_json=as_json)
