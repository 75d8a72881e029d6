"""The recipe of the VA evaluator."""

from typing import Literal

from engine.config.base import RECIPES
from engine.landscapes.nets.evaluator import VaEvaluator, VaEvaluatorSpec
from engine.landscapes.trainings.base import LandscapeTrainingRecipe
from engine.landscapes.trainings.va_evaluator.task import VaEvaluatorTask
from engine.trainings.staged_net import StagedNet


@RECIPES.register("va_evaluator")
class VaEvaluatorRecipe(LandscapeTrainingRecipe):
    """A regressor of valence and arousal that is used in no loss."""

    kind: Literal["va_evaluator"] = "va_evaluator"  # pyright: ignore[reportIncompatibleVariableOverride]
    net: StagedNet = StagedNet(size=64, widths=(24, 48, 96, 128))

    def task(self) -> VaEvaluatorTask:
        net = VaEvaluator(VaEvaluatorSpec(self.net.size, self.net.widths))
        return VaEvaluatorTask(net, self.source)
