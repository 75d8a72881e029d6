"""`tm resume`: continue a run where it stopped."""

from pathlib import Path

from engine.training.callbacks import SilentCallback
from engine.training.launch import MakeCallback
from engine.training.loop import Outcome
from engine.trainings.series.runs import resume_any, run_progress

__all__ = ["resume", "run_progress"]


def resume(
    run: Path,
    *,
    until: int | None = None,
    callback: MakeCallback = lambda first: SilentCallback(),
) -> Outcome:
    """Continue a run after its last checkpoint, or a series from its first unfinished run on.

    The result is the same to the last bit as that of an uninterrupted run on the same machine.
    until: stop after this step, for a single run. UsageError if `run` holds no run, or if its
    weights or photos have changed.
    """
    return resume_any(run, until=until, callback=callback)
