"""Guards against non-finite steps, and the detection of plateaus."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from engine.core.errors import TmError


class DivergedError(TmError):
    """Too many non-finite steps in a row."""


@dataclass(slots=True)
class FiniteGuard:
    """Skips non-finite steps, and ends the run after `patience` of them in a row."""

    patience: int = 10
    bad: int = 0
    skipped: int = 0

    def allows(self, step: int, terms: Mapping[str, Tensor], norm: Tensor) -> bool:
        """Whether `norm`, of the gradient of the weighted `terms`, is finite at a step.

        DivergedError names the first non-finite term after `patience` such steps in a row.
        """
        # A non-finite term makes the norm non-finite: one synchronisation is enough.
        if bool(torch.isfinite(norm)):
            self.bad = 0
            return True
        self.bad += 1
        self.skipped += 1
        if self.bad >= self.patience:
            broken = next((name for name, t in terms.items() if not torch.isfinite(t).all()), None)
            what = f"the term `{broken}`" if broken is not None else "the gradient, and no term,"
            raise DivergedError(
                f"{self.bad} steps up to {step} were not finite: {what} was the first",
                hint="lower the learning rate, or check the photos of those steps",
            )
        return False


@dataclass(slots=True)
class Plateau:
    """Detects a curve without a new lowest value for `window` steps."""

    window: int
    least: float = float("inf")
    since: int = 0
    recent: deque[tuple[int, float]] = field(default_factory=deque[tuple[int, float]])

    def reached(self, step: int, value: float) -> bool:
        """Add a value; whether the last `window` steps brought no new lowest one."""
        self.recent.append((step, value))
        while self.recent and self.recent[0][0] <= step - self.window:
            self.recent.popleft()
        if value < self.least:
            self.least, self.since = value, step
        return self.is_flat(step)

    def is_flat(self, step: int) -> bool:
        """Whether no value of the last `window` steps was a new lowest one."""
        return step - self.since >= self.window

    def state_dict(self) -> dict[str, Any]:
        """All that a resumed run needs."""
        return {"least": self.least, "since": self.since, "recent": [[*p] for p in self.recent]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue a saved curve."""
        self.least, self.since = float(state["least"]), int(state["since"])
        self.recent = deque((int(step), float(value)) for step, value in state["recent"])

    @property
    def trend(self) -> float:
        """The mean over the later half of the window less that of the earlier half; 0 if empty."""
        values = [value for _, value in self.recent]
        half = len(values) // 2
        if not half:
            return 0.0
        return sum(values[-half:]) / half - sum(values[:half]) / half
