"""Activation checkpointing: the activations of a block are computed anew in the backward pass."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm  # pyright: ignore[reportPrivateUsage]
from torch.utils.checkpoint import checkpoint


def blocks_of(net: nn.Module) -> Iterator[nn.Module]:
    """The outermost modules of a network that are made of others: its blocks, in order."""
    for child in net.children():
        nested = any(any(True for _ in part.children()) for part in child.children())
        if isinstance(child, nn.ModuleList) or (isinstance(child, nn.Sequential) and nested):
            yield from blocks_of(child)
        elif any(True for _ in child.children()):
            yield child


def recompute(net: nn.Module) -> None:
    """Keep only the inputs of each block for the backward pass (Chen et al. 2016), in place.

    The gradients are the same to the last bit; batch norms see the second pass and ignore it.
    """
    for block in blocks_of(net):
        block.forward = partial(_anew, block)


def _anew(block: nn.Module, *inputs: Any, **options: Any) -> Any:
    forward = partial(type(block).forward, block)
    if not torch.is_grad_enabled():
        return forward(*inputs, **options)
    return checkpoint(
        forward,
        *inputs,
        use_reentrant=False,
        context_fn=lambda: (nullcontext(), _unmoved(block)),
        **options,
    )


@contextmanager
def _unmoved(block: nn.Module) -> Generator[None]:
    """Let the running statistics of a block's batch norms be as they are."""
    norms = [m for m in block.modules() if isinstance(m, _BatchNorm) and m.training]
    before: list[tuple[float | None, Tensor | None]] = []
    for norm in norms:
        counted = norm.num_batches_tracked
        before.append((norm.momentum, None if counted is None else counted.clone()))
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, (momentum, counted) in zip(norms, before, strict=True):
            norm.momentum = momentum
            if counted is not None and norm.num_batches_tracked is not None:
                norm.num_batches_tracked.copy_(counted)
