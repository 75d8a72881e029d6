"""Whether the identity loss of a run went on falling: its mean over rolling windows."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import isfinite
from pathlib import Path

from engine.training.journal import METRICS, read_journal

CURVES = ("val/loss_identity", "loss/real/identity")
"""The curves that are looked at, the first that is long enough: the validation's, else the loss."""
WINDOWS = 4
FEWEST = 2
"""Rows in a window at least."""


@dataclass(frozen=True, slots=True)
class IdentityTrend:
    """Mean identity losses of consecutive windows of a run, the first one first."""

    curve: str
    means: tuple[float, ...]

    @property
    def value(self) -> float:
        """Last less first window; above 0 identity became worse."""
        return self.means[-1] - self.means[0]

    @property
    def non_increasing(self) -> bool:
        """Whether no window is above the one before it."""
        return all(after <= before for before, after in pairwise(self.means))

    def __str__(self) -> str:
        """One sentence.

        >>> print(IdentityTrend("loss/real/identity", (0.158, 0.15, 0.145, 0.141)))
        identity loss over 4 windows 0.158, 0.150, 0.145, 0.141: never rises (trend -0.017)
        """
        means = ", ".join(f"{mean:.3f}" for mean in self.means)
        rises = [place + 2 for place, (a, b) in enumerate(pairwise(self.means)) if b > a]
        verdict = f"rises in window {', '.join(map(str, rises))}" if rises else "never rises"
        return f"identity loss over {WINDOWS} windows {means}: {verdict} (trend {self.value:+.3f})"


def identity_trend(run: Path) -> IdentityTrend | None:
    """The trend of a run by its journal; None where no curve of identity is long enough."""
    rows = read_journal(run / METRICS)
    for curve in CURVES:
        values = [row[curve] for row in rows if isinstance(row.get(curve), float)]
        if (trend := trend_of(curve, values)) is not None:
            return trend
    return None


def trend_of(curve: str, values: Sequence[float]) -> IdentityTrend | None:
    """The trend of a curve; None where it has too few finite values."""
    finite = [value for value in values if isfinite(value)]
    if len(finite) < WINDOWS * FEWEST:
        return None
    edges = [round(len(finite) * part / WINDOWS) for part in range(WINDOWS + 1)]
    windows = [finite[low:high] for low, high in pairwise(edges)]
    return IdentityTrend(curve, tuple(sum(window) / len(window) for window in windows))
