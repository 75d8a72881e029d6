"""Metrics of an evaluation, beside those of the truth and of the unchanged input, and goals."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from engine.metrics.bootstrap import Interval

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric; `truth` and `unchanged` are its values for the truth and for the input."""

    name: str
    value: float
    goal: str = ""
    passed: bool | None = None
    """None without a goal."""
    truth: float | None = None
    unchanged: float | None = None
    interval: Interval | None = None
    note: str = ""

    @classmethod
    def at_least(cls, name: str, value: float, limit: float, **more: Any) -> "Metric":
        """A metric that must reach a limit."""
        return cls(name, value, f">= {limit:g}", value >= limit, **more)

    @classmethod
    def at_most(cls, name: str, value: float, limit: float, **more: Any) -> "Metric":
        """A metric that must not exceed a limit."""
        return cls(name, value, f"<= {limit:g}", value <= limit, **more)

    @classmethod
    def within(cls, name: str, value: float, low: float, high: float, **more: Any) -> "Metric":
        """A metric that must lie in a range."""
        return cls(name, value, f"{low:g}..{high:g}", low <= value <= high, **more)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The metrics of one evaluation, and tables of their details."""

    metrics: Sequence[Metric]
    tables: Mapping[str, Sequence[Row]] = field(default_factory=dict[str, Sequence[Row]])

    def dump(self) -> dict[str, Any]:
        """Plain values for JSON; NaN and infinities are null."""
        return _plain({"metrics": [asdict(one) for one in self.metrics], "tables": self.tables})


def metric_table(metrics: Sequence[Metric]) -> str:
    """The metrics as a text table, pass or fail first."""
    passed = {True: "pass", False: "FAIL", None: ""}
    rows = [
        {
            "": passed[one.passed],
            "metric": one.name,
            "value": one.value,
            "95%": f"{one.interval.low:.3g}..{one.interval.high:.3g}" if one.interval else "",
            "goal": one.goal,
            "truth": one.truth,
            "unchanged": one.unchanged,
            "note": one.note,
        }
        for one in metrics
    ]
    return row_table(rows)


def row_table(rows: Sequence[Row]) -> str:
    """Rows of equal keys as a text table, numbers to the right."""
    if not rows:
        return ""
    keys = list(rows[0])
    cells = [[_text(row[key]) for key in keys] for row in rows]
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


def _text(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
