"""Recipes for one person's ageing on photographs."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from engine.config.base import RECIPES
from engine.training.phases import Phase
from engine.training.recipe import TrainingNetworks
from engine.trainings.closed_form import ClosedFormRecipe
from engine.trainings.photo_personal.task import PHASES, PersonTask, parts_of_person
from engine.trainings.photo_prior.faces import CodeLabels, DatedFaces, dated_faces
from engine.trainings.photo_prior.settings import MeasuringSettings
from engine.weights.find import find_weights, shipped_weights

SHIPPED = "photo"


@RECIPES.register("photo_personal")
class PhotoPersonalRecipe(MeasuringSettings, ClosedFormRecipe):
    """How one person departs from the prior of photographs."""

    can_start: ClassVar[bool] = True
    data_keys: ClassVar[tuple[str, ...]] = ("photos", "labels")
    objectives: ClassVar[tuple[str, ...]] = PHASES

    kind: Literal["photo_personal"] = "photo_personal"  # pyright: ignore[reportIncompatibleVariableOverride]
    photos: str | None = None
    """Folder of the person's photographs with ages."""
    labels: str | None = None
    """Their ages: a CSV or a `labels.json`; the manifest or the names if absent."""
    start: str = SHIPPED  # pyright: ignore[reportIncompatibleVariableOverride]
    """The prior: a run of `photo/prior`, a file, or the one in the package."""
    validation: float = Field(default=0.2, ge=0, le=0.5)
    """Share of the photographs, evenly over the ages, held out from the fit that the figures are
    measured on. The delivered model is fitted on all of them in the end."""
    phase: tuple[Phase, ...] = tuple(Phase(name=name, steps=1, objective=name) for name in PHASES)

    def inputs(self) -> Mapping[str, Path]:
        """The prior, and the table of labels."""
        files = {"start": self.prior_file()}
        return files if self.labels is None else files | {"labels": Path(self.labels)}

    def prior_file(self) -> Path:
        """The weights file of the prior."""
        return shipped_weights()[SHIPPED] if self.start == SHIPPED else find_weights(self.start)

    def albums(self) -> Mapping[str, Path]:
        return {"photos": Path(self.require("photos"))}

    def missing_data(self) -> Sequence[str]:
        return [] if self.photos is not None else ["photos"]

    def networks_only(self) -> TrainingNetworks:
        return TrainingNetworks(parts_of_person(), {})

    def preview(self) -> Sequence[str]:
        """The photographs by decade."""
        if self.photos is None:
            return ()
        listed = self.listed()
        return (listed.by_decade, *listed.remarks)

    def listed(self) -> DatedFaces:
        """The dated photographs of the folder; reads no picture."""
        labels = None if self.labels is None else Path(self.labels)
        return dated_faces(Path(self.require("photos")), labels, self.select, CodeLabels())

    def task(self) -> PersonTask:
        return PersonTask(self.listed, self.prior_file(), self)
