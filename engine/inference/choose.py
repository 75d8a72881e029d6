"""From a checkpoint to the model that ages faces."""

from collections.abc import Callable

from engine.core.errors import UsageError
from engine.evaluators.domain import TrainingDomain
from engine.inference.ager import Ager
from engine.inference.anchored import AnchorAger, is_agetransformer
from engine.inference.edit import Edit
from engine.inference.reage import Noise, Reager
from engine.nets.assemble import time_machine
from engine.runtime.device import Compute
from engine.weights.checkpoint import Checkpoint


def ager_of(
    checkpoint: Checkpoint,
    compute: Compute,
    *,
    edit: Edit | None = None,
    strength: float = 1.0,
    noise: Noise = "stored",
    batch: int = 2,
    shrunk: Callable[[int], None] | None = None,
) -> Ager:
    """The model that a checkpoint holds, recognised by its content.

    WeightsError for one without an ageing model; UsageError for an edit of codes that it lacks.
    """
    if is_agetransformer(checkpoint):
        if strength != 1 or edit not in (None, Edit()):
            raise UsageError(
                "an AgeTransformer draws an age itself: there are no codes to edit",
                hint="leave the strength at 1 and the recipe's `edit` empty",
            )
        return AnchorAger(checkpoint, compute, batch=max(batch, 10), shrunk=shrunk)
    return Reager(
        time_machine(checkpoint),
        compute,
        edit=edit,
        strength=strength,
        noise=noise,
        batch=batch,
        training_domain=TrainingDomain.of(checkpoint),
        shrunk=shrunk,
    )
