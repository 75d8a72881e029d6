"""Networks that a recipe names by their weights: a run, a file, or a name that tm knows."""

from collections.abc import Callable
from typing import TypeVar

from torch import Tensor, nn

from engine.nets.loading import frozen
from engine.weights.checkpoint import StateDict
from engine.weights.find import find_weights
from engine.weights.load import read_checkpoint

Net = TypeVar("Net", bound=nn.Module)


def frozen_net(build: Callable[[StateDict], Net], weights: str, part: str) -> Net:
    """The network that `weights` hold under the name `part`, which learns no more."""
    return frozen(build(state_of(weights, part)))


def state_of(weights: str, part: str) -> dict[str, Tensor]:
    """The tensors of one part, copied: a file may change or go while they are trained."""
    state = read_checkpoint(find_weights(weights)).part(part)
    return {key: value.clone() for key, value in state.items()}
