"""Recipes for relabelling ages by a mixture of experts."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field, SerializeAsAny, field_validator

from engine.config.base import RECIPES, Recipe
from engine.config.load import load_recipe_as
from engine.core.errors import UsageError
from engine.core.table import fault_of, one_of
from engine.data.ffhq_aging import AttributeLimits
from engine.experts.base import EXPERTS, ExpertTable
from engine.experts.captioning import Captioning
from engine.experts.kinds.janus import JanusTable
from engine.experts.mixture import Fusion
from engine.relabel.decisions import Limits
from engine.relabel.faces import FaceReading
from engine.relabel.fit import Fitting
from engine.relabel.sampling import Sampling
from engine.runtime.device import Precision

AnyExpert = Annotated[SerializeAsAny[ExpertTable], one_of(EXPERTS)]


@RECIPES.register("relabel")
class RelabelRecipe(Recipe):
    """The experts, how their predictions are fused, and which faces are kept."""

    kind: Literal["relabel"] = "relabel"  # pyright: ignore[reportIncompatibleVariableOverride]
    expert: tuple[AnyExpert, ...]
    """The ensemble; experts whose weights are not here are named and left out."""
    domain: Literal["auto", "portraits", "photos"] = "auto"
    """The domain of the pictures, which decides the experts; `auto` classifies each face."""
    faces: FaceReading = FaceReading()
    fusion: Fusion = Fusion()
    calibration: str | None = "shipped"
    """A file that `--truth` wrote, `shipped` for those in the package (`nano` or `photo` for one of
    them); `""` for none."""
    limits: Limits = Limits()
    attributes: AttributeLimits | None = None
    """Filter of the rows of FFHQ-Aging's table, where `--labels` is that table."""
    fitting: Fitting = Fitting()
    sampling: Sampling = Sampling()
    """Weights in the training manifest."""
    captions: Captioning = Captioning()
    """The prompt of the `janus` expert where captions are written."""
    batch: int = Field(default=32, ge=1)
    """Faces in a batch."""
    precision: Precision = "auto"
    """`bfloat16` is faster where the processor has it; ages move by some tenths of a year."""

    @field_validator("expert")
    @classmethod
    def _unique(cls, experts: tuple[ExpertTable, ...]) -> tuple[ExpertTable, ...]:
        names = [expert.name for expert in experts]
        twice = sorted({name for name in names if names.count(name) > 1})
        if not names or twice:
            raise fault_of(f"`{twice[0]}` is listed twice" if twice else "name some experts")
        return experts

    def chosen(self, names: Sequence[str]) -> tuple[ExpertTable, ...]:
        """The experts of these names, all for none; UsageError lists the known ones."""
        known = {expert.name: expert for expert in self.expert}
        for name in names:
            if name not in known:
                raise UsageError(f"unknown expert `{name}`", hint=f"known: {', '.join(known)}")
        return tuple(known[name] for name in dict.fromkeys(names)) if names else self.expert

    def captioner(self) -> JanusTable:
        """The expert that writes captions; UsageError for a recipe without any."""
        for expert in self.expert:
            if isinstance(expert, JanusTable):
                return expert
        raise UsageError(
            f"the recipe `{self.name}` has no expert that writes captions",
            hint="add an `[[expert]]` of kind `janus`",
        )


def load_relabel(name: str, settings: Sequence[str] = ()) -> RelabelRecipe:
    """Find and check a recipe of this kind."""
    return load_recipe_as(RelabelRecipe, name, settings)
