"""ReliabilityBin diagrams: does what the mixture says of its own errors hold?"""

import csv
import io
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any

from engine.images.diagram import BLUE, LINE, LOOK, QUIET, quiet_grid

FEW = 10
"""Faces below which a share is drawn apart: it says little."""
Points = tuple[list[float], list[float]]
"""What was told, and what happened."""


def reliability_png(figures: dict[str, Any], *, title: str) -> bytes:
    """Three panels: confidence, intervals and spread, each told against what happened."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(LOOK):
        figure = Figure(figsize=(12.6, 4.4), layout="constrained")
        figure.suptitle(title, fontsize=11)
        sure, inside, spread = figure.subplots(1, 3)
        _confidence(sure, figures)
        _coverage(inside, figures)
        _spread(spread, figures)
        for axes in (sure, inside, spread):
            quiet_grid(axes)
            axes.legend(frameon=False, fontsize=9, loc="upper left", handlelength=1.4)
        picture = BytesIO()
        figure.savefig(picture, format="png", dpi=110, metadata={"Software": None})
    return picture.getvalue()


def points_csv(figures: dict[str, Any]) -> str:
    """The points of the three panels: `diagram`, `told`, `happened`, `count`."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("diagram", "predicted", "observed", "count"))
    for name in ("confidence", "spread"):
        for bar in figures[name]:
            values = round(bar["predicted"], 5), round(bar["observed"], 5)
            writer.writerow((name, *values, bar["faces"]))
    for point in figures["coverage"]:
        writer.writerow(("coverage", point["level"], round(point["share"], 5), figures["faces"]))
    return text.getvalue()


def _confidence(axes: Any, figures: dict[str, Any]) -> None:
    bars = figures["confidence"]
    most = max(bar["faces"] for bar in bars)
    axes.bar(
        [bar["predicted"] for bar in bars],
        [0.25 * bar["faces"] / most for bar in bars],
        width=0.03,
        color=LINE,
        label="faces",
    )
    many = [bar for bar in bars if bar["faces"] >= FEW]
    few = [bar for bar in bars if bar["faces"] < FEW]
    _curve(axes, _points(many), label=f"ECE {figures['ece']:.3f}")
    if few:
        axes.scatter(
            *_points(few),
            facecolors="none",
            edgecolors=BLUE,
            s=24,
            clip_on=False,
            label=f"fewer than {FEW} faces",
        )
    axes.set_xlabel("told: probability of being within 5 years")
    axes.set_ylabel("happened: share within 5 years")


def _coverage(axes: Any, figures: dict[str, Any]) -> None:
    points = figures["coverage"]
    levels = [point["level"] for point in points], [point["share"] for point in points]
    _curve(axes, levels, label=f"mean gap {figures['coverage_error']:.3f}")
    axes.set_xlabel("told: central interval")
    axes.set_ylabel("happened: share of truths inside")


def _spread(axes: Any, figures: dict[str, Any]) -> None:
    told, happened = _points(figures["spread"])
    label = f"mean gap {figures['spread_error']:.2f} years"
    _curve(axes, (told, happened), label=label, high=1.15 * max(told + happened))
    axes.set_xlabel("told: standard deviation, years")
    axes.set_ylabel("happened: root mean square error, years")


def _points(bars: Sequence[Mapping[str, float]]) -> Points:
    return [bar["predicted"] for bar in bars], [bar["observed"] for bar in bars]


def _curve(axes: Any, points: Points, *, label: str, high: float = 1.0) -> None:
    """What happened over what was told, beside the line on which both are the same."""
    axes.plot([0, high], [0, high], color=QUIET, linewidth=1, linestyle=(0, (2, 3)))
    drawn = axes.plot(*points, color=BLUE, marker="o", linewidth=1.8, clip_on=False, label=label)
    drawn[0].set_in_layout(False)  # without a point it would claim the figure's corner
    axes.set(xlim=(0, high), ylim=(0, high))
