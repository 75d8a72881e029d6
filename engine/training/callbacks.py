"""What a training reports while it runs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from engine.core.progress import Progress, Silence


@dataclass(frozen=True, slots=True)
class TrainProgress:
    """Steps done and in all, the phase, and pictures per second."""

    step: int
    steps: int
    phase: str
    speed: float


class Callback(Progress, Protocol):
    """A `Progress` that also receives steps, logged rows and validations."""

    def on_step(self, progress: TrainProgress) -> None:
        """One more step is done."""
        ...

    def on_log(self, progress: TrainProgress, metrics: Mapping[str, float]) -> None:
        """A row of the journal: losses, rates, speed."""
        ...

    def on_validation(
        self, progress: TrainProgress, metrics: Mapping[str, float], best: str | None
    ) -> None:
        """Validation metrics; `best` is the metric that picks the best if it has improved."""
        ...

    def on_end(self) -> None:
        """The loop has ended."""
        ...


class SilentCallback(Silence):
    """A `Callback` that reports nothing."""

    def on_step(self, progress: TrainProgress) -> None: ...

    def on_log(self, progress: TrainProgress, metrics: Mapping[str, float]) -> None: ...

    def on_validation(
        self, progress: TrainProgress, metrics: Mapping[str, float], best: str | None
    ) -> None: ...

    def on_end(self) -> None: ...
