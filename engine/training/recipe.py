"""The keys that all training recipes share; the loop takes a recipe as it is."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, cast

from pydantic import Field, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError
from torch import nn

from engine.config.base import Recipe
from engine.core.errors import RecipeError
from engine.core.numbers import Count, Real
from engine.core.table import Table, fault_of
from engine.runtime.device import Device, Precision
from engine.schedules import Schedule, ScheduleValue
from engine.training.activations import Activations
from engine.training.optimizers.base import OptimizerValue
from engine.training.phases import Phase, largest
from engine.training.plateau import ANCESTOR, PlateauRule
from engine.training.task import Best, Task

FIRST_SAVE, SELDOM = 100, 500
"""The first checkpoint of runs that save every 500 steps or less often comes after so many."""
PER_PHASE = ("steps", "rate", "optimizer", "clip")


class Averaging(Table):
    """The exponential moving average of the weights, which is validated and delivered."""

    decay: float = Field(default=0.999, ge=0, lt=1)
    """Share of the average that stays at each step: nearer to 1 is smoother and slower."""
    warm_up: bool = True
    """Begin with a lower decay, so that the random start is forgotten."""
    parts: tuple[str, ...] | None = None
    """Averaged parts; all of them if absent."""


@dataclass(frozen=True, slots=True)
class TrainingNetworks:
    """The networks of a training without its data; `remarks` name those that are missing."""

    parts: Mapping[str, nn.Module]
    frozen: Mapping[str, nn.Module]
    remarks: Sequence[str] = ()


def placed(schedule: Schedule, info: ValidationInfo) -> Schedule:
    """A schedule of the whole run, fitted to the recipe's phases; for the validator of its key.

    Open lengths end with the run, and values by phase become one schedule.
    """
    phases = info.data.get("phase") or ()
    spans = [(phase.name, phase.steps) for phase in phases]
    if not spans and info.data.get("steps") is None:
        return schedule  # the recipe is faulty, which another fault says
    return schedule.placed(spans or [(Phase.model_fields["name"].default, info.data["steps"])])


class TrainingRecipe(Recipe, ABC):
    """The keys of every training; a kind adds those of its task."""

    can_start: ClassVar[bool] = False
    """Whether the kind can begin from weights."""
    data_keys: ClassVar[tuple[str, ...]] = ()
    """Keys of the kind that hold the path of a folder or a file of data."""
    objectives: ClassVar[tuple[str, ...]] = ()
    """What a phase of the kind may minimise, the default first."""

    seed: int = Field(default=0, ge=0)
    """Of the networks and of every random choice."""
    scheduler: Literal["recipe", "none"] = "recipe"
    """`none`: every learning rate stays at the largest value of its schedule."""
    steps: Count | None = Field(default=None, gt=0)
    """Length of a training of one phase; with phases, each has its own."""
    batch: int = Field(default=16, ge=1)
    """Pictures that are computed at once, over all processes."""
    accumulate: int = Field(default=1, ge=1)
    """Batches of a step: their gradients add up to that of one batch so many times the size."""
    recompute: bool = False
    """Compute the activations of encoder and decoder anew in the backward pass: much less memory,
    the same numbers, about a third slower."""
    rate: ScheduleValue | None = None
    """Learning rate of a training of one phase: a number or a schedule."""
    optimizer: OptimizerValue | None = None
    """Of a training of one phase; Adam if absent."""
    clip: Real | None = Field(default=None, gt=0)
    """Largest norm of a gradient in a training of one phase."""
    phase: tuple[Phase, ...] = ()
    """The stretches of the training, each with its own steps, rates and trained parts."""
    save_every: Count = Field(default=500, gt=0)
    """Steps between checkpoints."""
    validate_every: Count | None = Field(default=None, gt=0)
    """Steps between validations; only at the end if absent."""
    sample_every: Count | None = Field(default=None, gt=0)
    """Steps between sample sheets; only at the end if absent."""
    log_every: Count = Field(default=50, gt=0)
    """Steps between rows of the journal."""
    keep: int = Field(default=2, ge=1)
    """Checkpoints kept beside the best."""
    milestones: tuple[Count, ...] = ()
    """Steps after which a checkpoint is written and kept for good, such as `["200k", "500k"]`."""
    average: Averaging | None = None
    """The moving average of the weights that is delivered; none if absent."""
    best: Best | None = None
    """The validation metric that picks the best weights; the task's own choice if absent."""
    plateau: PlateauRule | None = None
    """Curves to watch: a table with `metric` and `window`, or `"ancestor"`."""
    patience: int = Field(default=10, ge=1)
    """Non-finite steps in a row after which the run ends."""
    start: str | None = None
    """Weights to begin from: a run, a file, or a name of `tm weights list`."""
    device: Device = "auto"
    """Where to compute: the best there is, a processor, or a GPU."""
    precision: Precision = "auto"
    """Number format of the networks; `auto` is float32, as the published weights were trained."""
    deterministic: bool = False
    """Let torch choose the operators that give the same bits each time, where it has them: slower
    on a GPU; on a CPU runs repeat to the last bit without it."""
    threads: int | None = Field(default=None, ge=1)
    """Processor threads of each process; torch's default if absent."""
    timeout: Real = Field(default=30, gt=0)
    """Minutes that a process waits for the others: longer than a validation takes."""

    @field_validator("rate")
    @classmethod
    def _place_rate(cls, rate: Schedule | None, info: ValidationInfo) -> Schedule | None:
        if rate is None:
            return None
        rate = placed(rate, info)
        steps = info.data.get("steps")
        return largest(rate, steps) if info.data.get("scheduler") == "none" and steps else rate

    @field_validator("phase")
    @classmethod
    def _without_scheduler(cls, phases: tuple[Phase, ...], info: ValidationInfo) -> Any:
        if info.data.get("scheduler") != "none":
            return phases
        return tuple(phase.with_constant_rates() for phase in phases)

    @field_validator("plateau", mode="before")
    @classmethod
    def _named_plateau(cls, rule: object) -> object:
        return ANCESTOR if rule == "ancestor" else rule

    @field_validator("phase")
    @classmethod
    def _known_objectives(cls, phases: tuple[Phase, ...]) -> tuple[Phase, ...]:
        for index, phase in enumerate(phases):
            if phase.objective is not None and phase.objective not in cls.objectives:
                near = get_close_matches(phase.objective, cls.objectives, n=1)
                known = ", ".join(cls.objectives) if cls.objectives else "none"
                hint = f"did you mean `{near[0]}`?" if near else f"known: {known}"
                raise fault_of(f"{index}.objective: unknown objective `{phase.objective}`, {hint}")
        return phases

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
            doubled = [key for key in PER_PHASE if getattr(self, key) is not None]
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
        values = {key: getattr(self, key) for key in PER_PHASE}
        return (Phase(**{key: value for key, value in values.items() if value is not None}),)

    @property
    def step_pictures(self) -> int:
        """Pictures of a step, over all processes and micro-batches."""
        return self.batch * self.accumulate

    @property
    def total_steps(self) -> int:
        """Steps of all phases."""
        return sum(phase.steps for phase in self.phases)

    def activations(self, networks: TrainingNetworks) -> Activations | None:
        """What the largest forward pass of a batch keeps; None for a kind that does not say."""
        return None

    def opening(self) -> str:
        """The first line of `checkpoints/timestamp.txt`: what is trained, from what, at what rates.

        Each rate is that of the first and of the last step of its phase.
        """
        rates = " ".join(
            f"{phase.name}={phase.rate.at(0):.3g}..{phase.rate.at(phase.steps - 1):.3g}"
            for phase in self.phases
        )
        start = "nothing" if self.start is None else self.start
        return f"run {self.name} kind={self.kind} from={start} | rate {rates}"

    def objective_of(self, phase: Phase) -> str:
        """What the phase minimises; empty for a kind with one objective."""
        if phase.objective is not None:
            return phase.objective
        return self.objectives[0] if self.objectives else ""

    def saves_at(self, step: int) -> bool:
        """Whether a checkpoint is due after a step: also early in a run that saves seldom."""
        early = step == FIRST_SAVE and self.save_every >= SELDOM
        return early or step % self.save_every == 0 or step in self.milestones

    @abstractmethod
    def task(self) -> Task:
        """The task, its networks drawn from `seed`; data is read by its `prepare`."""

    def networks_only(self) -> TrainingNetworks:
        """The trained and the frozen networks; reads no data."""
        task = self.task()
        return TrainingNetworks(task.parts, task.frozen)

    def schedules(self) -> dict[str, tuple[Schedule, int]]:
        """The schedules by name, each with the steps it runs through."""
        schedules: dict[str, tuple[Schedule, int]] = {}
        for phase in self.phases:
            schedules[f"{phase.name}: rate"] = (phase.rate, phase.steps)
            for name, rate in phase.rates.items():
                schedules[f"{phase.name}: rate of {name}"] = (rate, phase.steps)
        return schedules

    def inputs(self) -> Mapping[str, Path]:
        """The weights files that go into the training, by role."""
        return {}

    def data_paths(self) -> Sequence[str]:
        """The folders and files of data that the recipe names, whether they exist or not."""
        paths = [getattr(self, key) for key in self.data_keys]
        return [path for path in paths if path is not None]

    def missing_data(self) -> Sequence[str]:
        """The keys of data that the training needs and the recipe does not give."""
        return ()

    def require(self, key: str) -> str:
        """The path under a key of data; RecipeError if it is not given."""
        value = getattr(self, key)
        if value is None:
            raise RecipeError(f"`{key}` is required", hint="give it here or on the command line")
        return value

    def preview(self) -> Sequence[str]:
        """What a dry run reports of the data, line by line; reads no picture."""
        return ()

    def albums(self) -> Mapping[str, Path]:
        """The folders of photos that go into the training, by role."""
        return {}
