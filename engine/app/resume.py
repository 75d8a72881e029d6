"""`tm resume`: continue a run where it stopped."""

from pathlib import Path
from typing import cast

from engine.app.compute import describe_compute
from engine.config.load import load_recipe
from engine.core.dry_run import checks_only
from engine.runtime.device import Device
from engine.training.callbacks import SilentCallback
from engine.training.checkpoint import best_of
from engine.training.extension import Extension
from engine.training.launch import MakeCallback
from engine.training.loop import Outcome
from engine.training.run_folder import RECIPE, RunFolder
from engine.trainings.personal.gain import settle
from engine.trainings.series.runs import is_series, resume_any, run_progress

__all__ = ["best_so_far", "forecast_resume", "resume", "steps_done"]


def resume(
    run: Path,
    *,
    until: int | None = None,
    steps: str | None = None,
    rate: float | None = None,
    accept_changes: bool = False,
    device: Device | None = None,
    devices: int | None = None,
    nodes: int | None = None,
    callback: MakeCallback = lambda first: SilentCallback(),
) -> Outcome:
    """Continue a run after its last checkpoint, or a series from its first unfinished run on.

    The result is the same to the last bit as that of an uninterrupted run on the same machine.
    until: stop after this step, for a single run; steps: further ones after the last, such as
    `+3k`, at the learning rate `rate` or the one that the run ended with, with the optimizers as
    they are; accept_changes: go on though its recipe was edited (else RecipeError); device:
    another one than before, for `auto` the best there is; devices, nodes: other processes on each
    machine, and machines, than before; either may differ in the last bits.
    UsageError if `run` holds no run, or if its weights or photos have changed.
    """
    outcome = resume_any(
        run,
        until=until,
        callback=callback,
        device=device,
        devices=devices,
        nodes=nodes,
        extension=Extension.parse(steps, rate),
        accept_changes=accept_changes,
    )
    settle(run, outcome)
    return outcome


def best_so_far(run: Path) -> tuple[str, float, int] | None:
    """The metric that picks the best checkpoint of a run, its value, and its step; None if none."""
    return best_of(run)


def steps_done(run: Path) -> list[tuple[str, int, int]]:
    """Name, steps done and steps in all of a run, or of every run of a series."""
    return run_progress(run)


def compute_of_run(run: Path, device: Device | None = None) -> str:
    """What a run, or a series, goes on upon, in one line; device: another one than before."""
    recipe = load_recipe(run / RECIPE)
    before: Device = getattr(recipe, "device", None) or "auto"
    if device is None and not is_series(run):
        before = cast("Device", RunFolder(run).environment().device)
    return describe_compute(
        before if device is None else device, getattr(recipe, "precision", "auto")
    )


def forecast_resume(
    run: Path,
    *,
    until: int | None = None,
    steps: str | None = None,
    rate: float | None = None,
    accept_changes: bool = False,
    device: Device | None = None,
    devices: int | None = None,
    nodes: int | None = None,
) -> list[tuple[str, int, int]]:
    """What `steps_done` has, after every check of `resume`; nothing is changed.

    Raises as `resume` does.
    """
    progress = steps_done(run)
    with checks_only():
        resume(
            run,
            until=until,
            steps=steps,
            rate=rate,
            accept_changes=accept_changes,
            device=device,
            devices=devices,
            nodes=nodes,
        )
    return progress
