"""Random numbers as functions of seed, step, name and position in the batch, without state."""

import zlib
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Draws:
    """Random numbers of one step for the positions of the batch that this process holds.

    A draw belongs to (seed, name, step, position), so a resumed run, a run over several processes
    and a draw added elsewhere get the same values. Each call gives one row a position: (n, *shape).
    """

    seed: int
    step: int
    positions: range

    def uniform(self, name: str, *shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
        """float32 from [low, high)."""
        rows = [random.uniform(low, high, shape) for random in self._places(name)]
        return torch.from_numpy(np.asarray(rows, dtype=np.float32))

    def normal(self, name: str, *shape: int) -> Tensor:
        """float32, standard normal."""
        rows = [random.standard_normal(shape) for random in self._places(name)]
        return torch.from_numpy(np.asarray(rows, dtype=np.float32))

    def integers(self, name: str, low: int, high: int, *shape: int) -> Tensor:
        """int64 from low up to, not including, high."""
        rows = [random.integers(low, high, shape) for random in self._places(name)]
        return torch.from_numpy(np.asarray(rows, dtype=np.int64))

    def shuffled(self, count: int, *, batch: int) -> Tensor:
        """Indices (n,) below `count`: without end, every epoch in an order of its own.

        batch: size of the whole batch, over all processes.
        """
        places = [self.step * batch + position for position in self.positions]
        return torch.tensor(
            [int(_order(self.seed, place // count, count)[place % count]) for place in places]
        )

    def _places(self, name: str) -> list[np.random.Generator]:
        key = (self.seed & 0xFFFFFFFF) << 32 | zlib.crc32(name.encode("utf-8"))
        return [
            np.random.Generator(np.random.Philox(key=key, counter=[0, 0, self.step, position]))
            for position in self.positions
        ]


@lru_cache(maxsize=4)
def _order(seed: int, epoch: int, count: int) -> np.ndarray:
    return np.random.default_rng([29, seed, epoch]).permutation(count)


def seed_torch(seed: int, step: int = 0, rank: int = 0) -> None:
    """Make torch's own stream (fresh weights, dropout) a function of seed, step and process."""
    mixed = seed * 0x9E3779B97F4A7C15 + step * 0x2545F491 + rank
    torch.manual_seed(mixed % (1 << 63))  # pyright: ignore[reportUnknownMemberType]
