"""Running means between two rows of the journal."""

from collections.abc import Mapping

import torch
from torch import Tensor

from engine.runtime.memory import peak_memory
from engine.training.state import State


class Means:
    """Means of scalars since the last row, without waiting for the device."""

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, int] = {}
        self._seconds = self._waited = 0.0
        self._pictures = 0

    def add(self, values: Mapping[str, Tensor]) -> None:
        """Add named scalars, detached."""
        for name, value in values.items():
            self._sums[name] = self._sums[name] + value if name in self._sums else value
            self._counts[name] = self._counts.get(name, 0) + 1

    def time(self, seconds: float, waited: float, pictures: int) -> None:
        """Add a step: its seconds, those of them spent waiting for data, and its pictures."""
        self._seconds += seconds
        self._waited += waited
        self._pictures += pictures

    def values(self) -> dict[str, Tensor]:
        """The means, still on the device."""
        return {name: total / self._counts[name] for name, total in self._sums.items()}

    @property
    def speed(self) -> float:
        """Pictures per second."""
        return self._pictures / self._seconds if self._seconds else 0.0

    @property
    def waiting(self) -> float:
        """Share of the time spent waiting for data."""
        return self._waited / self._seconds if self._seconds else 0.0


def run_metrics(means: Means, state: State, device: torch.device) -> dict[str, float]:
    """The columns of a journal row beside the losses."""
    metrics = {"images_per_second": means.speed, "waiting": means.waiting}
    for optimizer in state.optimizers.values():
        for group in optimizer.param_groups:
            metrics[f"lr/{group['name']}"] = group["lr"]
    skipped = sum(guard.skipped for guard in state.guards.values())
    memory = peak_memory(device)
    if memory is not None:
        metrics["memory_mib"] = round(memory / 2**20, 1)
    return metrics | {"skipped": float(skipped), "seconds": state.seconds}
