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
from engine.relabel.admission import SamplingCurriculum
from engine.relabel.fit import Fitting
from engine.relabel.judging import Limits
from engine.relabel.reading import FaceReading
from engine.runtime.device import Precision

AnyExpert = Annotated[SerializeAsAny[ExpertTable], one_of(EXPERTS)]


@RECIPES.register("relabel")
class RelabelRecipe(Recipe):
    """Who is asked for the ages of faces, how their votes become one, and what is kept."""

    kind: Literal["relabel"] = "relabel"  # pyright: ignore[reportIncompatibleVariableOverride]
    expert: tuple[AnyExpert, ...]
    """Who is asked; those whose weights are not here are named and left out."""
    domain: Literal["auto", "portraits", "photos"] = "auto"
    """What the pictures are: drawn portraits and photographs have different experts."""
    faces: FaceReading = FaceReading()
    fusion: Fusion = Fusion()
    calibration: str | None = "nano"
    """A file that `--truth` made, `nano` for the one in the package; `""` for none."""
    limits: Limits = Limits()
    attributes: AttributeLimits | None = None
    """What rows of FFHQ-Aging's own table must be like, where `--labels` is that table."""
    fitting: Fitting = Fitting()
    curriculum: SamplingCurriculum = SamplingCurriculum()
    captions: Captioning = Captioning()
    """What the `janus` expert is asked for where captions are wanted."""
    batch: int = Field(default=32, ge=1)
    """Faces that an expert is asked about at once."""
    precision: Precision = "auto"
    """`bfloat16` is faster where the processor has it; ages move by some tenths of a year."""

    @field_validator("expert")
    @classmethod
    def _unique(cls, experts: tuple[ExpertTable, ...]) -> tuple[ExpertTable, ...]:
        names = [expert.name for expert in experts]
        twice = sorted({name for name in names if names.count(name) > 1})
        if not names or twice:
            raise fault_of(f"`{twice[0]}` stands there twice" if twice else "name some experts")
        return experts

    def chosen(self, names: Sequence[str]) -> tuple[ExpertTable, ...]:
        """The experts of these names, all for none; UsageError tells who there is."""
        known = {expert.name: expert for expert in self.expert}
        for name in names:
            if name not in known:
                raise UsageError(f"unknown expert `{name}`", hint=f"known: {', '.join(known)}")
        return tuple(known[name] for name in dict.fromkeys(names)) if names else self.expert

    def captioner(self) -> JanusTable:
        """Who writes captions; UsageError where the recipe names nobody who can."""
        for expert in self.expert:
            if isinstance(expert, JanusTable):
                return expert
        raise UsageError(
            f"the recipe `{self.name}` has nobody who writes captions",
            hint="add an `[[expert]]` of kind `janus`",
        )


def load_relabel(name: str, settings: Sequence[str] = ()) -> RelabelRecipe:
    """Find and check a recipe of this kind."""
    return load_recipe_as(RelabelRecipe, name, settings)
