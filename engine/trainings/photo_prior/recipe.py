"""Recipes for the ageing prior of photographs."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Literal, Self

from pydantic import field_validator, model_validator

from engine.config.base import RECIPES
from engine.core.errors import MissingWeightsError
from engine.core.table import Table, fault_of
from engine.training.phases import Phase
from engine.training.recipe import TrainingNetworks
from engine.trainings.closed_form import ClosedFormRecipe
from engine.trainings.photo_prior.age_shifts import expert_table
from engine.trainings.photo_prior.faces import DatedFaces, dated_faces, is_validation
from engine.trainings.photo_prior.settings import PhotoPriorSettings, known_expert
from engine.trainings.photo_prior.task import PHASES, PhotoPriorTask, parts_of_prior


class PhotoPriorNetworks(Table):
    """Networks by the name of an expert of `tm relabel`."""

    age: str | None = None
    """Calibrates the gain, where it is here; without it, or empty, the gain is the recipe's."""

    @field_validator("age")
    @classmethod
    def _known(cls, age: str | None) -> str | None:
        return known_expert(age) if age else None


class CardTexts(Table):
    """What the card of the weights says of the data; nothing else in it comes from the folder."""

    fitted_on: str = ""
    limits: str = ""


@RECIPES.register("photo_prior")
class PhotoPriorRecipe(PhotoPriorSettings, ClosedFormRecipe):
    """The prior of photographs, fitted on a folder of dated faces."""

    data_keys: ClassVar[tuple[str, ...]] = ("photos", "labels")
    objectives: ClassVar[tuple[str, ...]] = PHASES

    kind: Literal["photo_prior"] = "photo_prior"  # pyright: ignore[reportIncompatibleVariableOverride]
    photos: str | None = None
    """Folder of dated faces."""
    labels: str | None = None
    """Their ages: a CSV, FFHQ-Aging's table, or a `labels.json`; the manifest or the names if
    absent."""
    phase: tuple[Phase, ...] = tuple(Phase(name=name, steps=1, objective=name) for name in PHASES)
    networks: PhotoPriorNetworks = PhotoPriorNetworks()
    card: CardTexts = CardTexts()

    @model_validator(mode="after")
    def _independent(self) -> Self:
        if self.networks.age is not None and self.networks.age in self.evaluation.evaluators:
            raise fault_of(
                f"`{self.networks.age}` calibrates the gain, so that it cannot evaluate it"
            )
        return self

    def inputs(self) -> Mapping[str, Path]:
        """The table of labels, and the network where it is here."""
        files = {} if self.labels is None else {"labels": Path(self.labels)}
        age = self.age_network()
        return files if age is None else files | {"age": expert_table(age).path()}

    def age_network(self) -> str | None:
        """The network that calibrates the gain; None without one, or where it is not here."""
        if self.networks.age is None:
            return None
        try:
            expert_table(self.networks.age).path()
        except MissingWeightsError:
            return None
        return self.networks.age

    def albums(self) -> Mapping[str, Path]:
        return {"photos": Path(self.require("photos"))}

    def missing_data(self) -> Sequence[str]:
        return [] if self.photos is not None else ["photos"]

    def networks_only(self) -> TrainingNetworks:
        return TrainingNetworks(parts_of_prior(), {}, self._remarks())

    def preview(self) -> Sequence[str]:
        """The dated faces by decade, and how many people are held out."""
        if self.photos is None:
            return ()
        listed = self.listed()
        held = sum(is_validation(face, self.validation) for face in listed.faces)
        return (f"{listed.by_decade}; {held} held out", *listed.remarks)

    def listed(self) -> DatedFaces:
        """The dated faces of the folder; reads no picture."""
        labels = None if self.labels is None else Path(self.labels)
        return dated_faces(Path(self.require("photos")), labels, self.select, self.code)

    def task(self) -> PhotoPriorTask:
        texts = {key: text for key, text in self.card.dump().items() if text}
        return PhotoPriorTask(self.listed, self, self.age_network(), self._remarks(), texts)

    def _remarks(self) -> list[str]:
        if self.networks.age is None or self.age_network() is not None:
            return []
        return [
            f"`{self.networks.age}` is not here (`tm weights pull {self.networks.age}`): the gain "
            "is the one of the recipe, or else of the model in the package"
        ]
