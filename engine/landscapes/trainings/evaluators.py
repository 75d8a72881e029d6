"""The evaluators that a recipe or an evaluation names, refused if they know another world."""

from engine.landscapes.inference.world import require_this_world
from engine.landscapes.nets.evaluator import VaEvaluator
from engine.landscapes.nets.structure import StructureEvaluator
from engine.landscapes.trainings.structure_evaluator.task import PART as STRUCTURE_EVALUATOR
from engine.landscapes.trainings.va_evaluator.task import PART as VA_EVALUATOR
from engine.nets.named import frozen_net
from engine.weights.find import find_weights
from engine.weights.load import read_checkpoint


def load_va_evaluator(name: str, *, drawn: bool) -> VaEvaluator:
    """A VA evaluator by its weights; `drawn`: for the drawn world.

    WeightsError where the weights hold none, or know another version of that world.
    """
    if drawn:
        require_this_world(read_checkpoint(find_weights(name)), name)
    return frozen_net(VaEvaluator.from_state, name, VA_EVALUATOR)


def load_structure_evaluator(name: str) -> StructureEvaluator:
    """A structure evaluator by its weights; WeightsError as of `load_va_evaluator`."""
    require_this_world(read_checkpoint(find_weights(name)), name)
    return frozen_net(StructureEvaluator.from_state, name, STRUCTURE_EVALUATOR)
