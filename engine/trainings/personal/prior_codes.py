"""What the frozen prior says of a photo at an age, kept: it never changes."""

import torch
from torch import Tensor

from engine.nets.timemachine import TimeMachine

ROOM = 512 * 2**20
"""Bytes of codes kept; beyond them the prior is asked again."""


class PriorCodes:
    """A memory of w+ by photo and whole year, filled as they are asked for."""

    def __init__(self, machine: TimeMachine, *, room: int = ROOM) -> None:
        self.machine = machine
        self.room = room
        self._known: dict[tuple[int, float], Tensor] = {}

    @torch.no_grad()
    def at(self, rows: Tensor, photos: Tensor, ages: Tensor, inverted: Tensor) -> Tensor:
        """w+ (b, n, width) of photos (b, 3, s, s), known by their rows (b,), at ages (b,)."""
        keys = list(zip(rows.tolist(), ages.tolist(), strict=True))
        found: list[Tensor] = []
        for index, key in enumerate(keys):
            if key not in self._known:
                one = slice(index, index + 1)
                # One by one: a code must not depend in its last bit on who else was in the batch,
                # or a resumed run would meet others.
                codes = self.machine.prior(photos[one], ages[one], inverted[one]).float()
                if (len(self._known) + 1) * codes.numel() * 4 > self.room:
                    found.append(codes)
                    continue
                self._known[key] = codes
            found.append(self._known[key])
        return torch.cat(found)
