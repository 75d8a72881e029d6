"""A training on the terminal: steps, speed, time left, losses and validation metrics."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Group
from rich.live import Live
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from commands._console import Verbosity, emit_json, err, escape, say
from commands._progress import LiveProgress

if TYPE_CHECKING:
    from engine.app.train import Outcome, TrainProgress

INTERRUPTED = 130
SHOWN = 8


class LiveTraining(LiveProgress):
    """A training callback: live on a terminal, one line per logged step elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self._live: Live | None = None
        self._steps: Progress | None = None
        self._losses = self._metrics = Text("")

    def on_step(self, progress: "TrainProgress") -> None:
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
                "", total=progress.steps, completed=progress.step - 1, speed="", start=True
            )
            self._live = Live(console=err, refresh_per_second=4, transient=True)
            self._live.start()
        (task,) = self._steps.tasks
        self._steps.update(
            task.id,
            completed=progress.step,
            description=escape(progress.phase),
            speed=f"{progress.speed:.3g} pictures/s" if progress.speed else "",
        )
        self._live.update(Group(self._steps, self._losses, self._metrics))

    def on_log(self, progress: "TrainProgress", metrics: Mapping[str, float]) -> None:
        text = _formatted(losses_of(metrics))
        if "memory_mib" in metrics:
            text += f"  memory {metrics['memory_mib'] / 1024:.2f} GiB"
        self._losses = Text(f"  {text}", style="dim")
        if not err.is_terminal:
            speed = f"{progress.speed:.3g} pictures/s"
            say(f"{progress.phase} {progress.step}/{progress.steps}: {escape(text)}, {speed}")

    def on_validation(
        self, progress: "TrainProgress", metrics: Mapping[str, float], best: str | None
    ) -> None:
        text = f"validation at {progress.step}: {_formatted(metrics)}"
        if best is not None:
            text += f" (best so far: {best})"
        self._metrics = Text(f"  {text}")
        if not err.is_terminal:
            say(escape(text))

    def on_end(self) -> None:
        if self._live is not None:
            self._live.stop()
            say(escape(self._metrics.plain.strip()))
        self._live = self._steps = None


def make_callback(first: bool) -> Any:
    """The callback of a process: only the first one prints."""
    from engine.app.train import SilentCallback

    return LiveTraining() if first else SilentCallback()


def print_outcome(folder: Path, outcome: "Outcome", *, as_json: bool) -> None:
    """Print how a run ended; exit 130 if it was stopped."""
    from engine.app.train import identity_trend, is_child, read_gain

    if is_child():
        return
    trend = identity_trend(folder)
    gain = None if outcome.ended == "stopped" else read_gain(folder)
    if as_json:
        emit_json(
            {
                "run": str(folder),
                "step": outcome.step,
                "ended": outcome.ended,
                "best": outcome.best,
                "seconds": round(outcome.seconds, 1),
                "identity_trend": None if trend is None else round(trend.value, 4),
                **({} if gain is None else {"gain": gain}),
            }
        )
    place = escape(str(folder))
    if outcome.ended == "plateau":
        say(f"[green]done[/]: plateau after {outcome.step} steps, in `{place}`")
    elif outcome.ended == "finished":
        say(f"[green]done[/]: {outcome.step} steps in `{place}`")
    else:
        say(f"saved after step {outcome.step}; `tm resume {place}` continues")
    if trend is not None:
        say(str(trend))
    if gain is not None:
        say(escape(f"{gain.get('says')}"))
        if gain.get("kept") == "base":
            say("nothing was gained: the run delivers the model that it began from")
    if outcome.ended == "stopped":
        raise typer.Exit(INTERRUPTED)


def losses_of(metrics: Mapping[str, float]) -> dict[str, float]:
    """The losses of a logged row, totals first, without their details."""
    losses = {
        name.removeprefix("loss/"): value
        for name, value in metrics.items()
        if name.startswith("loss/") and not any(name.startswith(f"{other}/") for other in metrics)
    }
    return dict(sorted(losses.items(), key=lambda loss: not loss[0].startswith("total")))


def _formatted(metrics: Mapping[str, float]) -> str:
    shown = list(metrics.items())[:SHOWN]
    return ", ".join(f"{name} {value:.4g}" for name, value in shown)
