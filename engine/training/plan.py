"""Everything about a training that is not the task: how long, how often, how many."""

from dataclasses import dataclass

from pydantic import Field

from engine.core.table import Table
from engine.runtime.device import Precision
from engine.training.phases import Phase
from engine.training.task import Best


class Averaging(Table):
    """The moving average of the weights: what is validated and delivered."""

    decay: float = Field(default=0.999, ge=0, lt=1)
    warm_up: bool = True
    parts: tuple[str, ...] | None = None
    """Parts that are averaged; all of them if absent."""


class PlateauRule(Table):
    """A curve that is watched: its trend is told, and where it stays flat it may end the run."""

    metric: str
    """A figure of the journal, such as `loss/real/identity`; lower is better."""
    window: int = Field(gt=0)
    """Steps without a new lowest value that make a plateau."""
    stop: bool = False
    """Whether a plateau ends the run."""


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """How a run goes; all counts are in steps, and None is never."""

    name: str
    seed: int
    batch: int
    phases: tuple[Phase, ...]
    save_every: int
    validate_every: int | None
    sample_every: int | None
    log_every: int
    keep: int = 2
    average: Averaging | None = None
    best: Best | None = None
    precision: Precision = "auto"
    patience: int = 10
    plateau: PlateauRule | None = None

    @property
    def steps(self) -> int:
        """Steps of all phases."""
        return sum(phase.steps for phase in self.phases)

    def phase_at(self, step: int) -> tuple[int, int]:
        """Which phase the step belongs to, and how many steps of it lie behind."""
        for index, phase in enumerate(self.phases):
            if step < phase.steps:
                return index, step
            step -= phase.steps
        raise ValueError("the step lies behind the last phase")
