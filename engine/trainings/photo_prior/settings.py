"""What a recipe of the photo prior may say, beside its data and its networks."""

from pydantic import Field, field_validator

from engine.core.table import Table
from engine.experts.base import EXPERTS
from engine.photo.fit import FitSettings
from engine.runtime.pool import cores
from engine.trainings.photo_prior.age_shifts import GainTable, Targets
from engine.trainings.photo_prior.faces import CodeLabels, Selection
from engine.trainings.photo_prior.measuring import PictureLimits


class Evaluation(Targets):
    """Who evaluates held-out people: networks in no fit."""

    people: int = Field(default=40, ge=2)
    evaluators: tuple[str, ...] = ("age-cc0", "faceres")
    """Those of them that are here are used."""

    @field_validator("evaluators")
    @classmethod
    def _known(cls, evaluators: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(known_expert(name) for name in evaluators)


class MeasuringSettings(Table):
    """How faces are chosen and measured."""

    validation: float = Field(default=0.15, ge=0, le=0.5)
    """Share that is held out from the fit that the figures are measured on. The delivered model is
    fitted on everything in the end."""
    person_masks: bool = True
    """Find the person by the network in the package, as `tm infer` does."""
    workers: int | None = Field(default=None, ge=1)
    """Processes that measure; one a core if absent."""
    select: Selection = Selection()

    @property
    def processes(self) -> int:
        """Processes that measure."""
        return cores() if self.workers is None else self.workers

    @property
    def limits(self) -> PictureLimits:
        """Which faces are large and frontal enough."""
        return PictureLimits(self.select.smallest, self.select.most_turned)


class PhotoPriorSettings(MeasuringSettings):
    """How faces are chosen and measured, what is fitted, and how it is evaluated."""

    code: CodeLabels = CodeLabels()
    fit: FitSettings = FitSettings()
    gain: GainTable = GainTable()
    evaluation: Evaluation = Evaluation()


def known_expert(name: str) -> str:
    """The name of an expert; ValueError that says which there are."""
    if name not in EXPERTS:
        raise ValueError(EXPERTS.miss(name))
    return name
