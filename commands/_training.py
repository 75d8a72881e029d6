"""A training on the terminal: steps, speed, time left, and the figures that matter."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Group
from rich.live import Live
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from commands._console import Verbosity, emit_json, err, say
from commands._progress import LiveProgress

if TYPE_CHECKING:
    from engine.training.callbacks import TrainProgress
    from engine.training.loop import Outcome

INTERRUPTED = 130
SHOWN = 8


class LiveTraining(LiveProgress):
    """A training callback: live on a terminal, one line per logged step elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self._live: Live | None = None
        self._steps: Progress | None = None
        self._losses = self._figures = Text("")

    def stepped(self, standing: "TrainProgress") -> None:
        if Verbosity.quiet or not err.is_terminal:
            return
        if self._live is None or self._steps is None:
            self._steps = Progress(
                TextColumn("{task.description}"),
                BarColumn(bar_width=30),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TextColumn("eta"),
                TimeRemainingColumn(),
                TextColumn("{task.fields[speed]}"),
                console=err,
                speed_estimate_period=120,
            )
            self._steps.add_task(
                "", total=standing.steps, completed=standing.step - 1, speed="", start=True
            )
            self._live = Live(console=err, refresh_per_second=4, transient=True)
            self._live.start()
        (task,) = self._steps.tasks
        self._steps.update(
            task.id,
            completed=standing.step,
            description=escape(standing.phase),
            speed=f"{standing.speed:.3g} pictures/s" if standing.speed else "",
        )
        self._live.update(Group(self._steps, self._losses, self._figures))

    def logged(self, standing: "TrainProgress", figures: Mapping[str, float]) -> None:
        told = _told(losses_of(figures))
        told += (
            f"  memory {figures['memory_mib'] / 1024:.2f} GiB" if "memory_mib" in figures else ""
        )
        self._losses = Text(f"  {told}", style="dim")
        if not err.is_terminal:
            speed = f"{standing.speed:.3g} pictures/s"
            say(f"{standing.phase} {standing.step}/{standing.steps}: {escape(told)}, {speed}")

    def validated(
        self, standing: "TrainProgress", figures: Mapping[str, float], best: str | None
    ) -> None:
        told = f"validation at {standing.step}: {_told(figures)}"
        if best is not None:
            told += f" (best so far: {best})"
        self._figures = Text(f"  {told}")
        if not err.is_terminal:
            say(escape(told))

    def finished(self) -> None:
        if self._live is not None:
            self._live.stop()
            say(escape(self._figures.plain.strip()))
        self._live = self._steps = None


def callback(first: bool) -> Any:
    """What follows a training in this process: only the first one speaks."""
    from engine.training.callbacks import SilentCallback

    return LiveTraining() if first else SilentCallback()


def tell(folder: Path, outcome: "Outcome", *, as_json: bool) -> None:
    """Say how a run ended; one that was stopped exits 130."""
    from engine.training.processes import is_child

    if is_child():
        return
    if as_json:
        emit_json(
            {
                "run": str(folder),
                "step": outcome.step,
                "ended": outcome.ended,
                "best": outcome.best,
                "seconds": round(outcome.seconds, 1),
            }
        )
    place = escape(str(folder))
    if outcome.ended == "plateau":
        say(f"[green]done[/]: no more to gain after {outcome.step} steps, in `{place}`")
    elif outcome.ended == "finished":
        say(f"[green]done[/]: {outcome.step} steps in `{place}`")
    else:
        say(f"saved after step {outcome.step}; `tm resume {place}` goes on")
    if outcome.ended == "stopped":
        raise typer.Exit(INTERRUPTED)


def losses_of(figures: Mapping[str, float]) -> dict[str, float]:
    """The losses of a logged row, totals first, without what a loss tells beside its value."""
    losses = {
        name.removeprefix("loss/"): value
        for name, value in figures.items()
        if name.startswith("loss/") and not any(name.startswith(f"{other}/") for other in figures)
    }
    return dict(sorted(losses.items(), key=lambda loss: not loss[0].startswith("total")))


def _told(figures: Mapping[str, float]) -> str:
    shown = list(figures.items())[:SHOWN]
    return ", ".join(f"{name} {value:.4g}" for name, value in shown)
