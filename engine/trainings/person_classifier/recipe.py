"""Recipes for classifiers that tell one person from everybody else."""

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Literal

import torch
from pydantic import Field, field_validator

from engine.config.base import RECIPES
from engine.core.errors import RecipeError
from engine.losses.face.views import check_view
from engine.nets.identity.person_classifier import PersonClassifier
from engine.nets.named import load_identity_network
from engine.training.recipe import TrainingRecipe
from engine.trainings.person_classifier.task import PersonClassifierAim, PersonClassifierTask
from engine.weights.find import find_weights


@RECIPES.register("person_classifier")
class PersonClassifierRecipe(TrainingRecipe):
    """The person's `photos` against `strangers`, on a frozen identity_net."""

    data_keys: ClassVar[tuple[str, ...]] = ("photos", "strangers")

    kind: Literal["person_classifier"] = "person_classifier"  # pyright: ignore[reportIncompatibleVariableOverride]
    photos: str | None = None
    """Folder of the person's aligned photos with ages."""
    strangers: str | None = None
    """Folder of aligned pictures of other people."""
    identity_net: str
    """Whose embeddings the classifier stands on; it learns nothing here."""
    size: int = Field(default=256, ge=16)
    """Side in px at which a personal training sees pictures, before the classifier shrinks them."""
    views: tuple[str, ...] = ("clean", "flip")
    """What a picture is learned as; the validation looks at the clean one."""
    held_out: float = Field(default=0.2, gt=0, lt=1)
    """Share of the strangers that the validation keeps."""
    smoothing: float = Field(default=0.0, ge=0, lt=1)
    """Of the labels: a classifier that is never quite sure keeps teaching."""
    most: int = Field(default=2000, ge=2)
    """Strangers looked at, spread over their folder."""

    @field_validator("views")
    @classmethod
    def _known(cls, views: tuple[str, ...]) -> tuple[str, ...]:
        if not views or views[0] != "clean":
            raise ValueError("the first view is `clean`, which the validation looks at")
        return tuple(check_view(view) for view in views)

    def inputs(self) -> Mapping[str, Path]:
        """The identity_net."""
        return {"identity_net": find_weights(self.identity_net)}

    def albums(self) -> Mapping[str, Path]:
        """The person and the others."""
        return {key: Path(self._given(key)) for key in ("photos", "strangers")}

    def task(self) -> PersonClassifierTask:
        net = load_identity_network(self.identity_net, torch.device("cpu")).net
        albums = self.albums()
        aim = PersonClassifierAim(self.size, self.views, self.held_out, self.smoothing, self.most)
        classifier = PersonClassifier(net)
        return PersonClassifierTask(classifier, albums["photos"], albums["strangers"], aim)

    def _given(self, key: str) -> str:
        value = getattr(self, key)
        if value is None:
            raise RecipeError(f"`{key}` is required", hint=f"set `{key}` to a folder")
        return value
