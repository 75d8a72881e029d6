"""The style of diagrams: muted axes, one gray for the frame, one for text."""

from typing import Any

INK, LINE, QUIET = "#3a3d43", "#d9dbe0", "#8a8d94"
"""Words, frame, and what a curve is compared with."""
BLUE = "#2a62c4"
LOOK: dict[Any, Any] = {
    "font.size": 10,
    "axes.edgecolor": LINE,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
"""For matplotlib's `rc_context`."""


def quiet_grid(axes: Any) -> None:
    """A faint grid behind what is drawn, and no ticks."""
    axes.grid(color=LINE, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(length=0)
