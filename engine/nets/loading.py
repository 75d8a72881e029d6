"""Load a state dict strictly, and freeze networks that are not trained."""

from collections.abc import Callable, Mapping
from typing import TypeVar

import torch
from torch import Tensor, nn

from engine.core.errors import WeightsError

Net = TypeVar("Net", bound=nn.Module)
SHOWN = 8  # faults named before the rest is only counted


def faults(net: nn.Module, state: Mapping[str, Tensor]) -> list[str]:
    """Every missing key, unexpected key and wrong shape, one sentence each."""
    own = net.state_dict()
    return [
        *(f"`{key}` is missing" for key in own if key not in state),
        *(f"`{key}` is unexpected" for key in state if key not in own),
        *(
            f"`{key}` is {tuple(state[key].shape)}, not {tuple(value.shape)}"
            for key, value in own.items()
            if key in state and state[key].shape != value.shape
        ),
    ]


def built(build: Callable[[], Net], state: Mapping[str, Tensor], *, name: str) -> Net:
    """The network that `build` makes, holding the very tensors of `state`, in eval mode.

    Nothing is allocated twice and nothing is drawn at random. Two networks built from one state
    dict share their memory: copy one (`copy.deepcopy`) before either is trained.
    """
    with torch.device("meta"):
        net = build()
    if problems := faults(net, state):
        shown = "; ".join(problems[:SHOWN])
        more = f"; and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
        raise WeightsError(
            f"these weights are not those of {name}: {shown}{more}",
            hint="check that the file is complete and of this network",
        )
    net.load_state_dict(state, assign=True)
    return net.eval()


def frozen(net: Net) -> Net:
    """`net` in eval mode without gradients: parameters and running statistics stay as they are."""
    return net.eval().requires_grad_(False)


def channels_last(net: Net) -> Net:
    """`net` with its kernels stored channels last, up to twice as fast on pictures so stored.

    Results differ by rounding.
    """
    for parameter in net.parameters():
        if parameter.dim() == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    return net
