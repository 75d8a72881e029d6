"""The curves of a run as one drawing, `curves.svg`: losses, validation, rates."""

from collections.abc import Mapping, Sequence
from html import escape
from math import isfinite
from pathlib import Path
from typing import Any

from engine.core.atomic import write_text
from engine.training.journal import METRICS, read_journal

CURVES = "curves.svg"
MOST, COLUMNS = 24, 3
"""Curves at most, and side by side."""
WIDTH, HEIGHT, MARGIN = 260, 110, 18
PREFIXES = ("loss/total", "val/", "lr/", "loss/real/", "loss/")
"""Which curves come first."""

Points = Sequence[tuple[int, float]]


def draw_curves(run: Path) -> Path | None:
    """Draw the curves of a run's journal into its folder; None where there is none yet."""
    svg = curves_of(run)
    if svg is None:
        return None
    write_text(run / CURVES, svg)
    return run / CURVES


def curves_of(run: Path) -> str | None:
    """The curves of a run's journal as SVG; None where there is none yet."""
    chosen = _chosen(read_journal(run / METRICS))
    if not chosen:
        return None
    rows = -(-len(chosen) // COLUMNS)
    panels = "".join(
        _panel(name, points, place % COLUMNS * WIDTH, place // COLUMNS * HEIGHT)
        for place, (name, points) in enumerate(chosen.items())
    )
    size = f'width="{COLUMNS * WIDTH}" height="{rows * HEIGHT}"'
    style = 'font-family="sans-serif" font-size="9" fill="#333"'
    ground = '<rect width="100%" height="100%" fill="white"/>'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} {style}>{ground}{panels}</svg>\n'


def _chosen(rows: Sequence[Mapping[str, Any]]) -> dict[str, Points]:
    """Curves of two points at least, totals and validation first; no details of terms."""
    names = {name for row in rows for name in row if name.startswith(("loss/", "val/", "lr/"))}
    plain = [name for name in names if name.rpartition("/")[0] not in names]

    def order(name: str) -> tuple[int, str]:
        return next(n for n, prefix in enumerate(PREFIXES) if name.startswith(prefix)), name

    curves = {name: _points(name, rows) for name in sorted(plain, key=order)}
    return dict([item for item in curves.items() if len(item[1]) > 1][:MOST])


def _points(name: str, rows: Sequence[Mapping[str, Any]]) -> Points:
    values = [(int(row["step"]), row.get(name)) for row in rows]
    return [(step, float(v)) for step, v in values if isinstance(v, int | float) and isfinite(v)]


def _panel(name: str, points: Points, left: int, top: int) -> str:
    """One curve with its name, its first and last value, and its range of steps."""
    steps, values = zip(*points, strict=True)
    low, high = min(values), max(values)
    span, length = (high - low) or 1.0, (steps[-1] - steps[0]) or 1
    across, down = WIDTH - 2 * MARGIN, HEIGHT - 3 * MARGIN
    line = " ".join(
        f"{left + MARGIN + across * (step - steps[0]) / length:.1f},"
        f"{top + 2 * MARGIN + down * (high - value) / span:.1f}"
        for step, value in points
    )
    title = f"{name}: {values[0]:.4g} to {values[-1]:.4g}"
    return (
        f'<text x="{left + MARGIN}" y="{top + MARGIN}">{escape(title)}</text>'
        f'<polyline points="{line}" fill="none" stroke="#2166ac" stroke-width="1.2"/>'
        f'<text x="{left + MARGIN}" y="{top + HEIGHT - 4}">step {steps[0]:,} to '
        f"{steps[-1]:,}, within {low:.4g} and {high:.4g}</text>"
    )
