"""Whether a training fits into memory, and by which settings it would."""

import re
from dataclasses import dataclass

from engine.core.errors import UsageError
from engine.training.forecast import Forecast

UNITS = {"MB": 10**6, "GB": 10**9, "MIB": 1 << 20, "GIB": 1 << 30}
PROCESS = 700 << 20
"""Bytes of a process that has loaded torch and has no networks yet."""
WORKING = 1.5
"""Activations in bytes that are held at once, for one that is kept: gradients and scratch memory
of the operators. `benchmarks/training_memory.py` measured 1.45 at 1024 px with `recompute`."""


def parse_memory(text: str) -> int:
    """Bytes of `8GB` or `512MiB`; UsageError for anything else.

    >>> parse_memory("8GB"), parse_memory("1.5 GiB")
    (8000000000, 1610612736)
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMG]i?B)\s*", text, re.IGNORECASE)
    if match is None or match[2].upper() not in UNITS or not (size := float(match[1])):
        raise UsageError(f"`--memory {text}` is no size", hint="write it as `8GB` or `512MiB`")
    return int(size * UNITS[match[2].upper()])


@dataclass(frozen=True, slots=True)
class Fit:
    """A way to run a recipe: settings over those that it has, and its peak in bytes."""

    settings: tuple[str, ...]
    peak: int


def peak_of(cost: Forecast, *, batch: int, of: int, recompute: bool) -> int | None:
    """Peak in bytes with `batch` pictures at once, where `cost` is of `of`; None if unknown."""
    kept = cost.activations
    if kept is None:
        return None
    share = (kept.recomputed if recompute else kept.plain) * batch / of
    return PROCESS + cost.memory + int(WORKING * share)


def fits(cost: Forecast, *, batch: int, accumulate: int, recompute: bool) -> list[Fit]:
    """The recipe as it is, then ways to the same steps with less and less memory.

    First activations are recomputed, then the batch is computed in parts.
    """
    ways: list[Fit] = []
    for again in (False, True) if not recompute else (True,):
        for parts in (n for n in range(1, batch + 1) if batch % n == 0):
            peak = peak_of(cost, batch=batch // parts, of=batch, recompute=again)
            if peak is None:
                return []
            settings = ["recompute=true"] if again and not recompute else []
            if parts > 1:
                settings += [f"batch={batch // parts}", f"accumulate={accumulate * parts}"]
            ways.append(Fit(tuple(settings), peak))
    first, *others = ways
    return [first, *sorted(others, key=lambda way: (len(way.settings), -way.peak))]
