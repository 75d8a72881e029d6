"""Schedules as curves of block characters."""

from typing import TYPE_CHECKING

from rich.text import Text

from commands._console import out

if TYPE_CHECKING:
    from engine.app.recipe import Schedule

COLUMNS, ROWS = 60, 8
EIGHTHS = " ▁▂▃▄▅▆▇█"


def sampled(schedule: "Schedule", last: int | None = None) -> list[tuple[int, float]]:
    """Steps spread evenly from 0 to `last`, with the schedule's value at each."""
    end = max(schedule.length * 5 // 4, 1) if last is None else last
    steps = sorted({round(end * column / (COLUMNS - 1)) for column in range(COLUMNS)})
    return [(step, schedule.at(step)) for step in steps]


def draw_curve(name: str, schedule: "Schedule", last: int | None = None) -> None:
    """Print the curve to stdout: steps to the right, values upward from the lowest."""
    points = sampled(schedule, last)
    values = [value for _, value in points]
    low, high = min(values), max(values)
    # A curve that nears zero is read against zero; one far from it against its own lowest value.
    floor = 0.0 if 0 <= low < 0.5 * high else low
    out.print(Text(f"{name}  ", style="bold") + Text(f"{schedule.kind}", style="dim"))
    for row in reversed(range(ROWS)):
        label = high if row == ROWS - 1 else floor if row == 0 else None
        bars = "".join(_block(value, floor, high, row) for value in values)
        out.print(Text(f"{'' if label is None else f'{label:g}':>10} ┤", style="dim") + Text(bars))
    end = f"{points[-1][0]:,}"
    out.print(Text(f"{'step':>10}  0{end:>{len(points) - 1}}", style="dim"))


def _block(value: float, floor: float, high: float, row: int) -> str:
    height = 1.0 if high == floor else (value - floor) / (high - floor)
    # The lowest value still shows an eighth: an empty column would look like a missing one.
    eighths = max(round(height * ROWS * 8), 1) - row * 8
    return EIGHTHS[min(max(eighths, 0), 8)]
