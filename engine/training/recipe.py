"""What every recipe for a training has in common."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self, cast

from pydantic import Field, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError
from torch import nn

from engine.config.base import Recipe
from engine.core.numbers import Count, Real
from engine.core.table import Table, fault_of
from engine.runtime.device import Device, Precision
from engine.schedules import Schedule, ScheduleValue
from engine.training.optimizers.base import OptimizerValue
from engine.training.phases import Phase
from engine.training.plan import Averaging, PlateauRule, TrainingPlan
from engine.training.task import Best, Task

IN_PHASES = ("steps", "rate", "optimizer", "clip")


def placed(schedule: Schedule, info: ValidationInfo) -> Schedule:
    """A schedule of the whole run, fitted to the recipe's phases; for the validator of its key.

    Open lengths end with the run, and values by phase become one schedule.
    """
    phases = info.data.get("phase") or ()
    spans = [(phase.name, phase.steps) for phase in phases]
    if not spans and info.data.get("steps") is None:
        return schedule  # the recipe is faulty, and says so elsewhere
    return schedule.placed(spans or [(Phase.model_fields["name"].default, info.data["steps"])])


@dataclass(frozen=True, slots=True)
class Outline:
    """The networks of a training without its data; `remarks` say which of them are missing."""

    parts: Mapping[str, nn.Module]
    frozen: Mapping[str, nn.Module]
    remarks: Sequence[str] = ()


class TrainingRecipe(Recipe, ABC):
    """The keys of every training; a kind adds what its task needs."""

    can_start: ClassVar[bool] = False
    """Whether the kind can begin from weights."""
    data_keys: ClassVar[tuple[str, ...]] = ()
    """Keys of the kind that hold a folder or a file of data, or nothing."""

    seed: int = Field(default=0, ge=0)
    steps: Count | None = Field(default=None, gt=0)
    """Length of a training of one phase; with phases, each has its own."""
    batch: int = Field(default=16, ge=1)
    """Pictures of a step, over all processes."""
    rate: ScheduleValue | None = None
    optimizer: OptimizerValue | None = None
    clip: Real | None = Field(default=None, gt=0)
    phase: tuple[Phase, ...] = ()
    save_every: Count = Field(default=500, gt=0)
    validate_every: Count | None = Field(default=None, gt=0)
    sample_every: Count | None = Field(default=None, gt=0)
    log_every: Count = Field(default=50, gt=0)
    keep: int = Field(default=2, ge=1)
    """Checkpoints kept beside the best."""
    average: Averaging | None = None
    best: Best | None = None
    """Which figure of the validation picks the best; the task's own choice if absent."""
    plateau: PlateauRule | None = None
    patience: int = Field(default=10, ge=1)
    """Steps in a row that may be not finite before the run ends."""
    start: str | None = None
    """Weights to begin from: a run, a file, or a name of `tm weights list`."""
    device: Device = "auto"
    precision: Precision = "auto"
    threads: int | None = Field(default=None, ge=1)
    """Processor threads of each process; as many as torch likes if absent."""

    @field_validator("rate")
    @classmethod
    def _place_rate(cls, rate: Schedule | None, info: ValidationInfo) -> Schedule | None:
        return None if rate is None else placed(rate, info)

    @field_validator("loss", check_fields=False)
    @classmethod
    def _place_weights(cls, loss: Any, info: ValidationInfo) -> Any:
        """Fit the weights of a kind's `[[loss]]` entries to the phases."""
        if not isinstance(loss, tuple):
            return loss
        fitted: list[Table] = []
        for index, entry in enumerate(cast(tuple[Any, ...], loss)):
            try:
                fitted.append(entry.model_copy(update={"weight": placed(entry.weight, info)}))
            except PydanticCustomError as fault:
                message = f"{index}.weight (`{entry.kind}`): {fault.message()}"
                raise fault_of(message) from None
        return tuple(fitted)

    @model_validator(mode="after")
    def _phased(self) -> Self:
        if self.phase:
            doubled = [key for key in IN_PHASES if getattr(self, key) is not None]
            if doubled:
                raise fault_of(f"`{doubled[0]}` belongs into each `[[phase]]` here")
        elif self.steps is None:
            raise fault_of("`steps` is required, or at least one `[[phase]]`")
        if self.start is not None and not self.can_start:
            raise fault_of("`start`: a training of this kind begins from nothing")
        names = [phase.name for phase in self.phase]
        if len(set(names)) < len(names):
            raise fault_of("every `[[phase]]` needs a name of its own")
        return self

    @property
    def phases(self) -> tuple[Phase, ...]:
        """The phases, or the one that the keys at the top describe."""
        if self.phase:
            return self.phase
        told = {key: getattr(self, key) for key in IN_PHASES}
        return (Phase(**{key: value for key, value in told.items() if value is not None}),)

    def plan(self) -> TrainingPlan:
        """What the loop needs to know."""
        return TrainingPlan(
            name=self.name,
            seed=self.seed,
            batch=self.batch,
            phases=self.phases,
            save_every=self.save_every,
            validate_every=self.validate_every,
            sample_every=self.sample_every,
            log_every=self.log_every,
            keep=self.keep,
            average=self.average,
            best=self.best,
            precision=self.precision,
            patience=self.patience,
            plateau=self.plateau,
        )

    @abstractmethod
    def task(self) -> Task:
        """The task, its networks drawn from `seed`; data is read by its `prepare`."""

    def outline(self) -> Outline:
        """What would learn and what would stand still; needs no data."""
        task = self.task()
        return Outline(task.parts, task.frozen)

    def schedules(self) -> dict[str, tuple[Schedule, int]]:
        """What changes while it trains, by name, with the steps it has for that."""
        found: dict[str, tuple[Schedule, int]] = {}
        for phase in self.phases:
            found[f"{phase.name}: rate"] = (phase.rate, phase.steps)
            for name, rate in phase.rates.items():
                found[f"{phase.name}: rate of {name}"] = (rate, phase.steps)
        return found

    def inputs(self) -> Mapping[str, Path]:
        """The weights files that go into the training, by name."""
        return {}

    def data(self) -> Sequence[str]:
        """The folders and files of data that the recipe names, whether they are there or not."""
        found = [getattr(self, key) for key in self.data_keys]
        return [path for path in found if path is not None]

    def preview(self) -> Sequence[str]:
        """What a dry run tells of the data, line by line; reads no picture."""
        return ()

    def albums(self) -> Mapping[str, Path]:
        """The folders of photos that go into the training, by name."""
        return {}
