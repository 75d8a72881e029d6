"""What a recipe of the refiner may say, beside its data."""

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from engine.core.numbers import Real
from engine.core.table import Table, fault_of
from engine.trainings.photo_prior.settings import MeasuringSettings, known_expert


class RefinerNetworks(Table):
    """Networks of the losses, through which the refiner learns; none of them evaluates."""

    age: Literal["face-api"] = "face-api"
    """It needs its weights: `tm weights pull face-api`."""
    identity: Literal["dlib-descriptor"] = "dlib-descriptor"


class RefinerWeights(Table):
    """Weights of the losses."""

    age: Real = Field(default=1.5, ge=0)
    identity: Real = Field(default=3.0, ge=0)
    adversarial: Real = Field(default=0.25, ge=0)
    size: Real = Field(default=0.5, ge=0)
    """Of the mean log factor of light: a change that nobody asks for costs."""
    roughness: Real = Field(default=1.0, ge=0)
    """Of its total variation."""
    texture: Real = Field(default=3.0, ge=0)
    """Of the energy of detail that it adds to the skin beyond `added_energy`."""


class DistanceLimits(Table):
    """The distance of dlib's descriptor that a change may cost; only what is beyond is a loss."""

    at_once: Real = Field(default=0.14, ge=0)
    per_year: Real = Field(default=0.005, ge=0)


class RefinerEvaluation(Table):
    """Who evaluates held-out people: networks in no loss."""

    people: int = Field(default=20, ge=2)
    for_slope: int = Field(default=200, ge=10)
    """Untouched faces by which an evaluator's slope on true ages is measured."""
    evaluators: tuple[str, ...] = ("age-cc0", "faceres")
    """Those of them that are here are used."""

    @field_validator("evaluators")
    @classmethod
    def _known(cls, evaluators: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(known_expert(name) for name in evaluators)


class RefinerSettings(MeasuringSettings):
    """How faces are chosen and aged, what the losses weigh, and how the result is evaluated."""

    targets: tuple[Real, ...] = (28.0, 38.0, 48.0, 58.0, 68.0, 78.0, 88.0)
    """Edges of the bins of ages, from each of which every face gets one target."""
    share: Real = Field(default=1.15, gt=0, le=2)
    """Of the change asked for that the age network shall see, in shares of what it sees of true
    years: more than all of it, since the discriminator and the costs hold it back."""
    added_energy: Real = Field(default=0.1, ge=0)
    """Log energy of detail that may be added about every spot of the skin at no cost."""
    networks: RefinerNetworks = RefinerNetworks()
    weights: RefinerWeights = RefinerWeights()
    distance: DistanceLimits = DistanceLimits()
    evaluation: RefinerEvaluation = RefinerEvaluation()

    @property
    def bins(self) -> tuple[tuple[float, float], ...]:
        """Lowest and highest age of every bin."""
        return tuple(zip(self.targets, self.targets[1:], strict=False))

    @model_validator(mode="after")
    def _usable(self) -> Self:
        if len(self.targets) < 2 or list(self.targets) != sorted(set(self.targets)):
            raise fault_of("`targets` needs two ages or more, rising")
        if self.networks.age in self.evaluation.evaluators:
            raise fault_of(f"`{self.networks.age}` is in a loss, so that it cannot evaluate")
        return self
