"""Recipes for the refiner of the photo model."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Literal

from torch import nn

from engine.config.base import RECIPES
from engine.core.errors import MissingWeightsError
from engine.nets.loading import frozen
from engine.nets.photos.dlib_resnet import load_dlib_resnet
from engine.nets.photos.face_api import load_face_api
from engine.photo.model import photo_model_of, read_photo_checkpoint
from engine.training.recipe import TrainingNetworks, TrainingRecipe
from engine.trainings.photo_prior.age_shifts import expert_table
from engine.trainings.photo_prior.faces import CodeLabels, DatedFaces, dated_faces, is_validation
from engine.trainings.photo_refiner.settings import RefinerSettings
from engine.trainings.photo_refiner.task import AGE, IDENTITY, RefinerTask, parts_of_refiner
from engine.weights.find import find_weights, shipped_weights

SHIPPED = "photo"


@RECIPES.register("photo_refiner")
class PhotoRefinerRecipe(RefinerSettings, TrainingRecipe):
    """A network on top of the prior of photographs, trained on a folder of dated faces."""

    can_start: ClassVar[bool] = True
    data_keys: ClassVar[tuple[str, ...]] = ("photos", "labels")

    kind: Literal["photo_refiner"] = "photo_refiner"  # pyright: ignore[reportIncompatibleVariableOverride]
    photos: str | None = None
    """Folder of dated faces."""
    labels: str | None = None
    """Their ages: a CSV, FFHQ-Aging's table, or a `labels.json`; the manifest or the names if
    absent."""
    start: str = SHIPPED  # pyright: ignore[reportIncompatibleVariableOverride]
    """The prior: a run of `photo/prior`, a file, or the one in the package."""

    def inputs(self) -> Mapping[str, Path]:
        """The prior, the age network, and the table of labels."""
        files = {"start": self.prior_file(), AGE: expert_table(self.networks.age).path()}
        return files if self.labels is None else files | {"labels": Path(self.labels)}

    def prior_file(self) -> Path:
        """The weights file of the prior."""
        return shipped_weights()[SHIPPED] if self.start == SHIPPED else find_weights(self.start)

    def albums(self) -> Mapping[str, Path]:
        return {"photos": Path(self.require("photos"))}

    def missing_data(self) -> Sequence[str]:
        return [] if self.photos is not None else ["photos"]

    def networks_only(self) -> TrainingNetworks:
        """The networks; those of the losses are not counted where they are not here."""
        try:
            return TrainingNetworks(parts_of_refiner(), self._frozen(), self._remarks())
        except MissingWeightsError as error:
            return TrainingNetworks(parts_of_refiner(), {}, [str(error), *self._remarks()])

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
        return dated_faces(Path(self.require("photos")), labels, self.select, CodeLabels())

    def task(self) -> RefinerTask:
        file = self.prior_file()
        checkpoint = read_photo_checkpoint(file)
        prior = photo_model_of(file, checkpoint), checkpoint.card
        return RefinerTask(self.listed, self, prior, self._frozen(), self._remarks())

    def _remarks(self) -> list[str]:
        """Evaluators that are not here."""
        remarks: list[str] = []
        for name in self.evaluation.evaluators:
            try:
                expert_table(name).path()
            except MissingWeightsError:
                remarks.append(f"`{name}` is not here (`tm weights pull {name}`): no figures by it")
        return remarks

    def _frozen(self) -> dict[str, nn.Module]:
        return {AGE: frozen(load_face_api()), IDENTITY: frozen(load_dlib_resnet())}
