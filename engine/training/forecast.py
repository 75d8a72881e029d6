"""The cost of a training, estimated before it starts."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from engine.core.errors import UsageError
from engine.training.activations import Activations
from engine.training.phases import parameters_of
from engine.training.recipe import TrainingRecipe

BYTES_PER_NUMBER = 4
ADAM_MOMENTS = 2
QUARTERS = 4
"""A schedule is given at its start, at each quarter, and at its end."""


@dataclass(frozen=True, slots=True)
class PhaseForecast:
    """A phase: its steps, the trained modules, and their parameters."""

    name: str
    steps: int
    trainable: tuple[str, ...]
    parameters: int


@dataclass(frozen=True, slots=True)
class Forecast:
    """The phases of a run, its schedules, and its memory and disk space in bytes.

    schedules: by name, the values at 0, 1/4, 1/2, 3/4 and the end of the phase or of the run;
    memory: weights, gradients, optimizer and averages; activations: what a batch keeps beside them,
    None for a kind of training that does not say; data: what the recipe reports of its data;
    remarks: what is missing, and what the figures therefore leave out.
    """

    phases: tuple[PhaseForecast, ...]
    schedules: dict[str, tuple[float, ...]]
    memory: int
    activations: Activations | None
    disk: int
    data: tuple[str, ...]
    remarks: tuple[str, ...]


def forecast(recipe: TrainingRecipe) -> Forecast:
    """Estimate the cost of a recipe; builds the networks and reads no data.

    UsageError for data that the recipe names and that does not exist.
    """
    for path in recipe.data_paths():
        if not Path(path).exists():
            raise UsageError(f"`{path}` does not exist")
    networks = recipe.networks_only()
    rows: list[PhaseForecast] = []
    for phase in recipe.phases:
        names = phase.trained(networks.parts)
        trained = parameters_of(networks.parts, names).values()
        count = sum(p.numel() for own in trained for p in own)
        rows.append(PhaseForecast(phase.name, phase.steps, names, count))
    parts, kept = _numbers(networks.parts.values()), _numbers(networks.frozen.values())
    most = max(row.parameters for row in rows)
    updated = _updated(parts, most, recipe)
    missing = ", ".join(f"`{key}`" for key in recipe.missing_data())
    return Forecast(
        phases=tuple(rows),
        schedules={
            name: tuple(schedule.at(step) for step in _quarters(steps))
            for name, (schedule, steps) in recipe.schedules().items()
        },
        memory=BYTES_PER_NUMBER * (parts + kept + most + updated),
        activations=recipe.activations(networks),
        disk=_disk(parts, updated, recipe),
        data=tuple(recipe.preview()),
        remarks=(*networks.remarks, *([f"the training needs {missing}"] if missing else [])),
    )


def disk_of(recipe: TrainingRecipe, parts: Mapping[str, nn.Module]) -> int:
    """Bytes that the checkpoints of a run will take, from the parts of its task."""
    numbers = _numbers(parts.values())
    trained = [parameters_of(parts, phase.trained(parts)).values() for phase in recipe.phases]
    most = max(sum(p.numel() for own in groups for p in own) for groups in trained)
    return _disk(numbers, _updated(numbers, most, recipe), recipe)


def _updated(parts: int, most: int, recipe: TrainingRecipe) -> int:
    """Numbers of the optimizer and of the averages."""
    return most * ADAM_MOMENTS + (parts if recipe.average is not None else 0)


def _disk(parts: int, updated: int, recipe: TrainingRecipe) -> int:
    """Bytes of all checkpoints: one more than is kept stands there while a new one is written."""
    checkpoints = recipe.keep + 1 + len(recipe.milestones)
    return BYTES_PER_NUMBER * (checkpoints * (parts + updated) + parts)


def _quarters(steps: int) -> Sequence[int]:
    return [min(steps * i // QUARTERS, steps - 1) for i in range(QUARTERS + 1)]


def _numbers(nets: Iterable[nn.Module]) -> int:
    return sum(tensor.numel() for net in nets for tensor in net.state_dict().values())
