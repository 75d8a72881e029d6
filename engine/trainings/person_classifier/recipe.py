"""Recipes for classifiers of one person against everybody else."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Literal

import torch
from pydantic import Field

from engine.config.base import RECIPES
from engine.core.errors import MissingWeightsError
from engine.core.table import Table
from engine.nets.identity.ir_se50 import ArcFace
from engine.nets.identity.person_classifier import PersonClassifier
from engine.nets.named import load_identity_network
from engine.training.recipe import TrainingNetworks, TrainingRecipe
from engine.trainings.networks import network_files
from engine.trainings.person_classifier.task import (
    PersonClassifierSettings,
    PersonClassifierTask,
    networks_of,
)


class PersonClassifierNetworks(Table):
    """Frozen networks by name, run or file."""

    identity: str
    """The identity network under the linear layer."""


@RECIPES.register("person_classifier")
class PersonClassifierRecipe(PersonClassifierSettings, TrainingRecipe):
    """The person's `photos` against `impostors`, on a frozen identity network."""

    data_keys: ClassVar[tuple[str, ...]] = ("photos", "impostors")

    kind: Literal["person_classifier"] = "person_classifier"  # pyright: ignore[reportIncompatibleVariableOverride]
    photos: str | None = Field(default=None)
    """Folder of the person's aligned photos with ages."""
    impostors: str | None = None
    """Folder of aligned pictures of other people."""
    networks: PersonClassifierNetworks

    def inputs(self) -> Mapping[str, Path]:
        return network_files(self.networks)

    def albums(self) -> Mapping[str, Path]:
        """The person and the impostors."""
        return {key: Path(self.require(key)) for key in self.data_keys}

    def missing_data(self) -> Sequence[str]:
        return [key for key in self.data_keys if getattr(self, key) is None]

    def networks_only(self) -> TrainingNetworks:
        """The classifier; on a network of ArcFace's size where the weights are missing."""
        try:
            return TrainingNetworks(*networks_of(self._classifier()))
        except MissingWeightsError as error:
            parts, frozen = networks_of(PersonClassifier(ArcFace()))
            return TrainingNetworks(parts, frozen, [f"{error}; the figures are those of ArcFace"])

    def task(self) -> PersonClassifierTask:
        albums = self.albums()
        return PersonClassifierTask(self._classifier(), albums["photos"], albums["impostors"], self)

    def _classifier(self) -> PersonClassifier:
        net = load_identity_network(self.networks.identity, torch.device("cpu")).net
        return PersonClassifier(net)
