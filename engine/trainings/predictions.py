"""Shared by tasks on portraits: predictions for a whole set, random shifts, seeded networks."""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from engine.runtime.draws import Draws

Net = TypeVar("Net", bound=nn.Module)
BATCH = 100
"""Batch size of a validation."""


class AgedPictures(Protocol):
    """Pictures with the ages of their people, drawn or photographed."""

    def __len__(self) -> int: ...
    @property
    def ages(self) -> np.ndarray:
        """float32 (n,) in years."""
        ...

    def tensor(self, rows: Sequence[int] | Tensor, /) -> Tensor:
        """Pictures (b, 3, s, s) in [-1, 1]."""
        ...


def predict(
    net: Callable[[Tensor], Tensor],
    portraits: AgedPictures,
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
