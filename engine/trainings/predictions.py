"""What the tasks of the networks that look at portraits share: answers to a whole set."""

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor, nn

from engine.data.portraits import PortraitSet
from engine.nets.nano.trunk import resized
from engine.runtime.draws import Draws

Net = TypeVar("Net", bound=nn.Module)
TOGETHER = 100
"""Pictures that a validation looks at at once."""


def answers(
    net: Callable[[Tensor], Tensor],
    portraits: PortraitSet,
    device: torch.device,
    *,
    change: Callable[[Tensor], Tensor] | None = None,
) -> Tensor:
    """What `net` says about every picture of a set, after `change`: (n, ...) on the CPU."""
    told: list[Tensor] = []
    for first in range(0, len(portraits), TOGETHER):
        rows = range(first, min(first + TOGETHER, len(portraits)))
        pictures = portraits.tensor(rows)
        if change is not None:
            pictures = change(pictures)
        told.append(net(pictures.to(device)).float().cpu())
    return torch.cat(told)


def seen(portraits: PortraitSet, rows: Tensor, size: int) -> Tensor:
    """Pictures of a set (b, 3, size, size) in [-1, 1]."""
    return resized(portraits.tensor(rows), size)


def shifts(draws: Draws, reach: int) -> Tensor:
    """Whole pixels (b, 2) to the right and down, at most `reach` either way."""
    return draws.integers("shift", -reach, reach + 1, 2)


def drawn(build: Callable[[], Net], seed: int) -> Net:
    """A fresh network, its weights drawn from `seed` and from nothing else."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build()
