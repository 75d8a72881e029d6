"""A cache of the frozen prior's codes, which never change."""

import torch
from torch import Tensor

from engine.nets.timemachine import TimeMachine

CAPACITY = 512 * 2**20
"""Bytes of codes kept; further ones are computed at every use."""


class PriorCodes:
    """w+ of the prior by photo and whole year, computed at first use."""

    def __init__(self, machine: TimeMachine, *, capacity: int = CAPACITY) -> None:
        self.machine = machine
        self.capacity = capacity
        self._cache: dict[tuple[int, float], Tensor] = {}

    @torch.no_grad()
    def at(self, rows: Tensor, photos: Tensor, ages: Tensor, inverted: Tensor) -> Tensor:
        """w+ (b, n, width) of photos (b, 3, s, s) at ages (b,) in years; rows (b,) are the keys."""
        keys = list(zip(rows.tolist(), ages.tolist(), strict=True))
        batch: list[Tensor] = []
        for index, key in enumerate(keys):
            if key not in self._cache:
                one = slice(index, index + 1)
                # One by one: in a batch the last bits of a code depend on the others, and a
                # resumed run would get other codes.
                codes = self.machine.prior(photos[one], ages[one], inverted[one]).float()
                if (len(self._cache) + 1) * codes.numel() * 4 > self.capacity:
                    batch.append(codes)
                    continue
                self._cache[key] = codes
            batch.append(self._cache[key])
        return torch.cat(batch)
