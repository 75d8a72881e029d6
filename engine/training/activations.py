"""What a forward pass keeps for the backward one, counted without computing it."""

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from engine.runtime.recompute import blocks_of


@dataclass(frozen=True, slots=True)
class Activations:
    """Bytes that a pass keeps: all of them, and with `recompute`."""

    plain: int
    recomputed: int


def count_activations(
    forward: Callable[[Mapping[str, nn.Module]], Tensor], parts: Mapping[str, nn.Module]
) -> Activations:
    """Count what `forward`, given networks like `parts`, keeps; nothing is computed.

    The networks may be on the `meta` device. With `recompute` the inputs of all blocks are kept,
    and in the backward pass the activations of one block at a time.
    """
    with FakeTensorMode(allow_non_fake_inputs=True):
        fakes = {name: _fake(net) for name, net in parts.items()}
        return _counted(lambda: forward(fakes), list(fakes.values()))


def _fake(net: nn.Module) -> nn.Module:
    """A copy whose tensors have shapes and no values, on the processor as far as one can see."""
    shapes = {id(t): t for t in (*net.parameters(), *net.buffers())}
    empty = {
        key: nn.Parameter(torch.empty(t.shape, dtype=t.dtype), t.requires_grad)
        if isinstance(t, nn.Parameter)
        else torch.empty(t.shape, dtype=t.dtype)
        for key, t in shapes.items()
    }
    return deepcopy(net, {**empty})


def _counted(forward: Callable[[], Tensor], nets: Sequence[nn.Module]) -> Activations:
    own = {_key(p) for net in nets for p in (*net.parameters(), *net.buffers())}
    seen: dict[int, tuple[Tensor, str]] = {}  # the tensors are held, or a key would be used again
    inputs: dict[int, Tensor] = {}
    block = [""]

    def keep(tensor: Tensor) -> Tensor:
        if _key(tensor) not in own:
            seen.setdefault(_key(tensor), (tensor, block[0]))
        return tensor

    handles: list[Any] = []
    for index, module in enumerate(one for net in nets for one in blocks_of(net)):

        def enter(_: nn.Module, given: tuple[Any, ...], name: str = str(index)) -> None:
            block[0] = name
            inputs.update({_key(x): x for x in given if isinstance(x, Tensor)})

        def leave(*_: Any) -> None:
            block[0] = ""

        handles += [
            module.register_forward_pre_hook(enter),
            module.register_forward_hook(leave),
        ]
    try:
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            result = forward()
    finally:
        for handle in handles:
            handle.remove()
    del result
    by_block: dict[str, int] = {}
    for tensor, name in seen.values():
        by_block[name] = by_block.get(name, 0) + _bytes(tensor)
    outside = by_block.pop("", 0)
    entered = sum(_bytes(tensor) for key, tensor in inputs.items() if key not in own)
    return Activations(
        outside + sum(by_block.values()), outside + entered + max(by_block.values(), default=0)
    )


def _key(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata  # pyright: ignore[reportPrivateUsage]


def _bytes(tensor: Tensor) -> int:
    return tensor.untyped_storage().nbytes()
