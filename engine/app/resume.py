"""`tm resume`: continue a run where it stopped."""

from pathlib import Path

from engine.core.dry_run import checks_only
from engine.runtime.device import Device
from engine.training.callbacks import SilentCallback
from engine.training.launch import MakeCallback
from engine.training.loop import Outcome
from engine.trainings.series.runs import resume_any, run_progress

__all__ = ["forecast_resume", "resume"]


def resume(
    run: Path,
    *,
    until: int | None = None,
    device: Device | None = None,
    callback: MakeCallback = lambda first: SilentCallback(),
) -> Outcome:
    """Continue a run after its last checkpoint, or a series from its first unfinished run on.

    The result is the same to the last bit as that of an uninterrupted run on the same machine.
    until: stop after this step, for a single run; device: another one than before, for `auto` the
    best there is, where the last bits may differ. UsageError if `run` holds no run, or if its
    weights or photos have changed.
    """
    return resume_any(run, until=until, callback=callback, device=device)


def forecast_resume(
    run: Path, *, until: int | None = None, device: Device | None = None
) -> list[tuple[str, int, int]]:
    """Name, steps done and steps in all of a run, or of every run of a series; nothing is changed.

    Raises as `resume` does.
    """
    progress = run_progress(run)
    with checks_only():
        resume(run, until=until, device=device)
    return progress
