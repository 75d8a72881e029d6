"""What a training would take, told before it begins."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from engine.core.errors import UsageError
from engine.training.phases import parameters_of
from engine.training.recipe import TrainingRecipe

FLOAT = 4
ADAM = 2
"""Numbers that an optimizer keeps for each that it moves."""
MOMENTS = 4
"""A schedule is told at its beginning, at each quarter, and at its end."""


@dataclass(frozen=True, slots=True)
class PhaseForecast:
    """A phase: its steps, what learns, and in how many numbers."""

    name: str
    steps: int
    trainable: tuple[str, ...]
    parameters: int


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a run would take: phases, what changes on the way, bytes of memory and of disk.

    schedules: by name, the values at 0, 1/4, 1/2, 3/4 and the end of the phase or of the run.
    memory: weights, gradients, optimizer and averages, not what a forward pass keeps.
    remarks: what the figures do not cover.
    """

    phases: tuple[PhaseForecast, ...]
    schedules: dict[str, tuple[float, ...]]
    memory: int
    disk: int
    remarks: tuple[str, ...]


def forecast(recipe: TrainingRecipe) -> Forecast:
    """What the recipe would train and take; builds the networks, reads no data.

    UsageError for data that the recipe names and that is not there.
    """
    for path in recipe.data_paths():
        if not Path(path).exists():
            raise UsageError(f"`{path}` does not exist")
    outline = recipe.outline()
    rows: list[PhaseForecast] = []
    for phase in recipe.phases:
        names = phase.learning(outline.parts)
        learned = parameters_of(outline.parts, names).values()
        rows.append(
            PhaseForecast(
                phase.name, phase.steps, names, sum(p.numel() for o in learned for p in o)
            )
        )
    parts, kept = _numbers(outline.parts.values()), _numbers(outline.frozen.values())
    most = max(row.parameters for row in rows)
    averaged = parts if recipe.average is not None else 0
    moved = most * ADAM + averaged
    return Forecast(
        phases=tuple(rows),
        schedules={
            name: tuple(schedule.at(step) for step in _moments(steps))
            for name, (schedule, steps) in recipe.schedules().items()
        },
        memory=FLOAT * (parts + kept + most + moved),
        disk=FLOAT * ((recipe.keep + 1) * (parts + moved) + parts),
        remarks=tuple(outline.remarks),
    )


def _moments(steps: int) -> Sequence[int]:
    return [min(steps * i // MOMENTS, steps - 1) for i in range(MOMENTS + 1)]


def _numbers(nets: Iterable[nn.Module]) -> int:
    return sum(tensor.numel() for net in nets for tensor in net.state_dict().values())
