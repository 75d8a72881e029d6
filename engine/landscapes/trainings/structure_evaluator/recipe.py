"""The recipe of the structure evaluator."""

from typing import Literal, Self

from pydantic import model_validator

from engine.config.base import RECIPES
from engine.core.table import fault_of
from engine.landscapes.nets.structure import StructureEvaluator, StructureEvaluatorSpec
from engine.landscapes.trainings.base import LandscapeTrainingRecipe
from engine.landscapes.trainings.structure_evaluator.task import StructureEvaluatorTask
from engine.trainings.staged_net import StagedNet
from engine.worlds.landscapes import KINDS


@RECIPES.register("structure_evaluator")
class StructureEvaluatorRecipe(LandscapeTrainingRecipe):
    """A reader of mood and kind of scene by luma alone, on drawn scenes; used in no loss."""

    kind: Literal["structure_evaluator"] = "structure_evaluator"  # pyright: ignore[reportIncompatibleVariableOverride]
    net: StagedNet = StagedNet(size=64, widths=(24, 48, 96, 128))

    @model_validator(mode="after")
    def _drawn(self) -> Self:
        if self.photos is not None:
            raise fault_of("the kinds of scenes are known of drawn ones alone: leave out `photos`")
        return self

    def task(self) -> StructureEvaluatorTask:
        spec = StructureEvaluatorSpec(self.net.size, self.net.widths, len(KINDS))
        return StructureEvaluatorTask(StructureEvaluator(spec), self.source)
