"""What the recipes of the landscape trainings share."""

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Self

from pydantic import Field, model_validator

from engine.core.numbers import Count
from engine.core.table import fault_of
from engine.data.landscapes import rated_preview
from engine.landscapes.losses.base import LandscapeLoss, LandscapeLossChoice
from engine.landscapes.trainings.data import LandscapeData, LandscapeSource
from engine.landscapes.trainings.networks import LandscapeNets
from engine.schedules import Schedule
from engine.schedules.constant import Constant
from engine.schedules.epochs import Epochs
from engine.training.phases import Phase
from engine.training.recipe import TrainingRecipe
from engine.weights.find import find_weights


class LandscapeTrainingRecipe(TrainingRecipe):
    """The keys of every landscape training: data, and epochs as the unit of schedules."""

    photos: str | None = None
    """Folder of rated photos; the landscape world if absent."""
    data: LandscapeData
    per_epoch: Count | None = Field(default=None, gt=0)
    """Steps of an epoch: if given, `steps` and schedules are counted in epochs."""

    @property
    def phases(self) -> tuple[Phase, ...]:
        phases = super().phases
        if self.per_epoch is None:
            return phases
        return tuple(
            phase.model_copy(
                update={
                    "steps": phase.steps * self.per_epoch,
                    "rate": self._in_steps(phase.rate),
                    "rates": {name: self._in_steps(rate) for name, rate in phase.rates.items()},
                }
            )
            for phase in phases
        )

    @property
    def source(self) -> LandscapeSource:
        """Where the landscapes come from."""
        return LandscapeSource(self.data, None if self.photos is None else Path(self.photos))

    def worlds(self) -> dict[str, str]:
        """That of landscapes, unless rated photos take its place."""
        return super().worlds() if self.photos is None else {}

    def albums(self) -> Mapping[str, Path]:
        """The folder of rated photos."""
        return {} if self.photos is None else {"photos": Path(self.photos)}

    def preview(self) -> tuple[str, ...]:
        """A histogram of the ratings."""
        return () if self.photos is None else rated_preview(Path(self.photos), self.data.ratings)

    def _in_steps(self, schedule: Schedule) -> Schedule:
        if self.per_epoch is None:
            return schedule
        return Epochs(steps=self.per_epoch, schedule=schedule)


class GeneratorRecipe(LandscapeTrainingRecipe):
    """The keys of the trainings that train a generator: networks and losses."""

    can_start: ClassVar[bool] = True
    net: LandscapeNets = LandscapeNets()
    loss: tuple[LandscapeLossChoice, ...]

    @model_validator(mode="after")
    def _losses_and_size(self) -> Self:
        if not self.loss:
            raise fault_of("a training needs at least one `[[loss]]`")
        kinds = [loss.kind for loss in self.loss]
        if len(set(kinds)) < len(kinds):
            raise fault_of("every kind of loss may occur only once")
        if self.net.generator_spec.size != self.data.train.size:
            raise fault_of(
                f"the networks are of {self.net.generator_spec.size} px, `data.train.size` is "
                f"{self.data.train.size}"
            )
        return self

    @property
    def losses(self) -> tuple[LandscapeLoss, ...]:
        """The losses with their weights as schedules of steps."""
        return tuple(
            loss.model_copy(update={"weight": self._in_steps(loss.weight)}) for loss in self.loss
        )

    def schedules(self) -> dict[str, tuple[Schedule, int]]:
        """The learning rates, and the loss weights that change."""
        steps = self.total_steps
        changing = [
            loss
            for loss, written in zip(self.losses, self.loss, strict=True)
            if not isinstance(written.weight, Constant)
        ]
        weights = {f"{loss.kind}: weight": (loss.weight, steps) for loss in changing}
        return super().schedules() | weights

    def inputs(self) -> Mapping[str, Path]:
        """The weights file to start from."""
        return {} if self.start is None else {"start": find_weights(self.start)}
