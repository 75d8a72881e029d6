"""What a training tells while it runs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from engine.core.progress import Progress, Silence


@dataclass(frozen=True, slots=True)
class TrainProgress:
    """How a run stands: steps done of how many, its phase, and pictures a second."""

    step: int
    steps: int
    phase: str
    speed: float


class Callback(Progress, Protocol):
    """A `Progress` that also follows steps and figures."""

    def stepped(self, standing: TrainProgress) -> None:
        """One more step is done."""
        ...

    def logged(self, standing: TrainProgress, figures: Mapping[str, float]) -> None:
        """A row of the journal: losses, rates, speed."""
        ...

    def validated(
        self, standing: TrainProgress, figures: Mapping[str, float], best: str | None
    ) -> None:
        """Figures of the validation; `best` says so if they are the best so far."""
        ...

    def finished(self) -> None:
        """No more steps will come."""
        ...


class SilentCallback(Silence):
    """A `Callback` that keeps everything to itself."""

    def stepped(self, standing: TrainProgress) -> None: ...

    def logged(self, standing: TrainProgress, figures: Mapping[str, float]) -> None: ...

    def validated(
        self, standing: TrainProgress, figures: Mapping[str, float], best: str | None
    ) -> None: ...

    def finished(self) -> None: ...
