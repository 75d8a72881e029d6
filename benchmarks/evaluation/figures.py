"""Figures of an exam: what was measured, what the truth and doing nothing get, what is asked."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from engine.metrics.bootstrap import Interval

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure; `truth` and `nothing` are the same measured on the truth and on the input."""

    name: str
    value: float
    goal: str = ""
    passed: bool | None = None
    """None where nothing is asked."""
    truth: float | None = None
    nothing: float | None = None
    interval: Interval | None = None
    note: str = ""

    @classmethod
    def at_least(cls, name: str, value: float, limit: float, **told: Any) -> "Figure":
        """A figure that has to reach a limit."""
        return cls(name, value, f">= {limit:g}", value >= limit, **told)

    @classmethod
    def at_most(cls, name: str, value: float, limit: float, **told: Any) -> "Figure":
        """A figure that must not exceed a limit."""
        return cls(name, value, f"<= {limit:g}", value <= limit, **told)

    @classmethod
    def within(cls, name: str, value: float, low: float, high: float, **told: Any) -> "Figure":
        """A figure that has to lie in a range."""
        return cls(name, value, f"{low:g}..{high:g}", low <= value <= high, **told)


@dataclass(frozen=True, slots=True)
class Examined:
    """The figures of one exam and the tables behind them."""

    figures: Sequence[Figure]
    tables: Mapping[str, Sequence[Row]] = field(default_factory=dict[str, Sequence[Row]])

    def dump(self) -> dict[str, Any]:
        """Plain values for JSON: what is no number is null."""
        return _plain({"figures": [asdict(one) for one in self.figures], "tables": self.tables})


def figure_table(figures: Sequence[Figure]) -> str:
    """Lay figures out for people, verdicts first."""
    verdict = {True: "pass", False: "FAIL", None: ""}
    rows = [
        {
            "": verdict[one.passed],
            "figure": one.name,
            "value": one.value,
            "95%": f"{one.interval.low:.3g}..{one.interval.high:.3g}" if one.interval else "",
            "asked": one.goal,
            "truth": one.truth,
            "nothing": one.nothing,
            "note": one.note,
        }
        for one in figures
    ]
    return row_table(rows)


def row_table(rows: Sequence[Row]) -> str:
    """Lay rows of equal keys out in columns, numbers to the right."""
    if not rows:
        return ""
    keys = list(rows[0])
    cells = [[_told(row[key]) for key in keys] for row in rows]
    widths = [max(len(c) for c in column) for column in zip(keys, *cells, strict=True)]
    right = [isinstance(rows[0][key], int | float) for key in keys]
    lines = [
        "  ".join(
            c.rjust(w) if to_right else c.ljust(w)
            for c, w, to_right in zip(line, widths, right, strict=True)
        ).rstrip()
        for line in [keys, *cells]
    ]
    return "\n".join(lines)


def _told(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
