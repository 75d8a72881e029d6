"""Reliability diagrams: the predicted errors of the mixture against the observed ones."""

from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any

from engine.data.csv_table import csv_text
from engine.images.diagram import BLUE, LINE, LOOK, QUIET, quiet_grid

FEW = 10
"""Bars of fewer faces are drawn hollow."""
Points = tuple[list[float], list[float]]
"""Predicted and observed values."""


def reliability_png(metrics: dict[str, Any], *, title: str) -> bytes:
    """Three diagrams, predicted against observed: confidence, intervals, spread."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(LOOK):
        figure = Figure(figsize=(12.6, 4.4), layout="constrained")
        figure.suptitle(title, fontsize=11)
        confidence, coverage, spread = figure.subplots(1, 3)
        _confidence(confidence, metrics)
        _coverage(coverage, metrics)
        _spread(spread, metrics)
        for axes in (confidence, coverage, spread):
            quiet_grid(axes)
            axes.legend(frameon=False, fontsize=9, loc="upper left", handlelength=1.4)
        picture = BytesIO()
        figure.savefig(picture, format="png", dpi=110, metadata={"Software": None})
    return picture.getvalue()


def points_csv(metrics: dict[str, Any]) -> str:
    """The points of the three diagrams: `diagram`, `predicted`, `observed`, `count`."""
    rows: list[tuple[object, ...]] = [("diagram", "predicted", "observed", "count")]
    for name in ("confidence", "spread"):
        for bar in metrics[name]:
            predicted, observed = round(bar["predicted"], 5), round(bar["observed"], 5)
            rows.append((name, predicted, observed, bar["faces"]))
    rows += [
        ("coverage", point["level"], round(point["share"], 5), metrics["faces"])
        for point in metrics["coverage"]
    ]
    return csv_text(rows)


def _confidence(axes: Any, metrics: dict[str, Any]) -> None:
    bars = metrics["confidence"]
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
    _curve(axes, _points(many), label=f"ECE {metrics['ece']:.3f}")
    if few:
        axes.scatter(
            *_points(few),
            facecolors="none",
            edgecolors=BLUE,
            s=24,
            clip_on=False,
            label=f"fewer than {FEW} faces",
        )
    axes.set_xlabel("predicted probability of an error within 5 years")
    axes.set_ylabel("observed share within 5 years")


def _coverage(axes: Any, metrics: dict[str, Any]) -> None:
    points = metrics["coverage"]
    levels = [point["level"] for point in points], [point["share"] for point in points]
    _curve(axes, levels, label=f"mean gap {metrics['coverage_error']:.3f}")
    axes.set_xlabel("predicted central interval")
    axes.set_ylabel("observed share of truths inside")


def _spread(axes: Any, metrics: dict[str, Any]) -> None:
    predicted, observed = _points(metrics["spread"])
    label = f"mean gap {metrics['spread_error']:.2f} years"
    _curve(axes, (predicted, observed), label=label, high=1.15 * max(predicted + observed))
    axes.set_xlabel("predicted standard deviation, years")
    axes.set_ylabel("observed root mean square error, years")


def _points(bars: Sequence[Mapping[str, float]]) -> Points:
    return [bar["predicted"] for bar in bars], [bar["observed"] for bar in bars]


def _curve(axes: Any, points: Points, *, label: str, high: float = 1.0) -> None:
    """Observed over predicted, beside the diagonal of perfect calibration."""
    axes.plot([0, high], [0, high], color=QUIET, linewidth=1, linestyle=(0, (2, 3)))
    drawn = axes.plot(*points, color=BLUE, marker="o", linewidth=1.8, clip_on=False, label=label)
    drawn[0].set_in_layout(False)  # without a point it would claim the figure's corner
    axes.set(xlim=(0, high), ylim=(0, high))
