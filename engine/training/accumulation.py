"""Steps of several micro-batches, whose gradients add up to that of the whole batch."""

from collections.abc import Iterable

from torch.nn.modules.batchnorm import _BatchNorm  # pyright: ignore[reportPrivateUsage]

from engine.core.errors import RecipeError
from engine.runtime.recompute import recompute
from engine.training.phases import Phase, module_of
from engine.training.task import Task

HINT = "raise `batch` instead, and save memory by `recompute = true`"


def require_separable(task: Task, phases: Iterable[Phase]) -> None:
    """RecipeError for a task whose samples depend on others of the batch.

    Their gradient is not the sum of those of parts of the batch: batch norms that learn their
    statistics, and losses that compare samples with each other.
    """
    if (coupling := task.coupling()) is not None:
        raise RecipeError(f"`accumulate`: {coupling}", hint=HINT)
    if task.freeze_batch_norm:
        return
    for phase in phases:
        for name in phase.trained(task.parts):
            if any(isinstance(m, _BatchNorm) for m in module_of(task.parts, name).modules()):
                raise RecipeError(
                    f"`accumulate`: `{name}` has batch norms, whose statistics are those of a whole"
                    " batch",
                    hint=HINT,
                )


def recompute_parts(task: Task) -> None:
    """Recompute the activations of all trained parts but discriminators.

    Their gradient penalties differentiate twice, which recomputing would do several times.
    """
    for name, part in task.parts.items():
        if "discriminator" not in name:
            recompute(part)
