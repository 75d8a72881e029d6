"""Shared by tasks on portraits: predictions for a whole set, random shifts, seeded networks."""

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor, nn

from engine.data.portraits import PortraitSet
from engine.runtime.draws import Draws

Net = TypeVar("Net", bound=nn.Module)
BATCH = 100
"""Batch size of a validation."""


def predict(
    net: Callable[[Tensor], Tensor],
    portraits: PortraitSet,
    device: torch.device,
    *,
    change: Callable[[Tensor], Tensor] | None = None,
) -> Tensor:
    """Outputs (n, ...) of `net` for every picture of a set, after `change`, on the CPU."""
    outputs: list[Tensor] = []
    for first in range(0, len(portraits), BATCH):
        pictures = portraits.tensor(range(first, min(first + BATCH, len(portraits))))
        if change is not None:
            pictures = change(pictures)
        outputs.append(net(pictures.to(device)).float().cpu())
    return torch.cat(outputs)


def random_shifts(draws: Draws, largest: int) -> Tensor:
    """Whole pixels (b, 2) to the right and down, at most `largest` in either direction."""
    return draws.integers("shift", -largest, largest + 1, 2)


def seeded(build: Callable[[], Net], seed: int) -> Net:
    """A fresh network whose weights depend on `seed` alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build()
