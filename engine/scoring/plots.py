"""Curves as SVG: estimated age over target age, identity over the years from the photo."""

from collections.abc import Sequence
from io import StringIO
from typing import Any

from engine.images.diagram import BLUE, INK, LINE, LOOK, QUIET
from engine.scoring.evaluate import Evaluation
from engine.scoring.material import COPIED
from engine.scoring.rows import AGE_TOLERANCE
from engine.scoring.words import title

COLOURS = ("#d1602a", BLUE, "#128a70", "#8a4fbf", "#b03a6c", "#6b7b1c")
"""Distinguishable with colour blindness, on white and (in the page's variant) on black."""
SHADE, BAND = "#f4e6c8", "#e9ebef"
ROLES = {
    **{colour: f"var(--method-{number})" for number, colour in enumerate(COLOURS, 1)},
    QUIET: "var(--control)",
    INK: "var(--ink-2)",
    LINE: "var(--rule)",
    SHADE: "var(--extrapolated)",
    BAND: "var(--band)",
}
"""CSS variables that replace the colours on the page, for its light and dark themes."""
SETTINGS: dict[Any, Any] = {"svg.fonttype": "none", "svg.hashsalt": "tm", **LOOK}


def colour_of(evaluation: Evaluation, method: str) -> str:
    """The colour of a method; controls share one."""
    names = evaluation.report["methods"]
    return COLOURS[names.index(method) % len(COLOURS)] if method in names else QUIET


def curves(evaluation: Evaluation) -> dict[str, str]:
    """The plots by name, each an SVG file; plots without data are left out."""
    report = evaluation.report
    methods = {method: report[method] for method in report["methods"]}
    plots: dict[str, str] = {}
    if report["evaluators"]["age"] is not None:
        plots["ages"] = _ages(evaluation, methods)
    if any(rows["by_gap"] for rows in methods.values()):
        plots["identity"] = _identity(evaluation, methods)
    return plots


def themed(svg: str) -> str:
    """An SVG file as an element of the page, in the page's own colours."""
    element = svg[svg.index("<svg") :]
    for colour, variable in ROLES.items():
        element = element.replace(colour, variable)
    return element


def _ages(evaluation: Evaluation, methods: dict[str, Any]) -> str:
    report = evaluation.report
    figure, axes = _axes("target age, years", f"age by {report['evaluators']['age']}, years")
    targets = [row["target"] for figures in methods.values() for row in figures["by_target"]]
    low, high = min(targets) - 4, max(targets) + 4
    _shade_extrapolated(axes, report["photos"], low, high)
    axes.fill_between(
        [low, high],
        [low - AGE_TOLERANCE, high - AGE_TOLERANCE],
        [low + AGE_TOLERANCE, high + AGE_TOLERANCE],
        color=BAND,
        linewidth=0,
    )
    axes.plot([low, high], [low, high], color=QUIET, linewidth=1, linestyle=(0, (2, 3)))
    truth = report["controls"].get("truth")
    if truth is not None:
        _line(axes, truth["by_target"], "target", "predicted_age", QUIET, "truth", "--")
    for method, figures in methods.items():
        colour = colour_of(evaluation, method)
        shown = [(row["target"], row["predicted_age"]) for row in report["rows"][method]]
        _points(axes, shown, colour)
        _line(axes, figures["by_target"], "target", "predicted_age", colour, title(method), "-")
    axes.set_xlim(low, high)
    return _svg(figure, axes)


def _identity(evaluation: Evaluation, methods: dict[str, Any]) -> str:
    report = evaluation.report
    figure, axes = _axes("years between photo and target", f"identity by {_evaluator(report)}")
    real = report["real_pairs"]
    if real is not None:
        _line(axes, real["by_gap"], "mean_gap", "identity", QUIET, "two real photos", "--")
    if COPIED in report:
        _line(axes, report[COPIED]["by_gap"], "mean_gap", "identity", QUIET, title(COPIED), ":")
    for method, figures in methods.items():
        colour = colour_of(evaluation, method)
        shown = [
            (abs(row["gap"]), row["identity"])
            for row in report["rows"][method]
            if row["gap"] is not None and row["identity"] is not None
        ]
        _points(axes, shown, colour)
        _line(axes, figures["by_gap"], "mean_gap", "identity", colour, title(method), "-")
    return _svg(figure, axes)


def _evaluator(report: dict[str, Any]) -> str:
    return report["evaluators"]["identity"]


def _axes(across: str, up: str) -> tuple[Any, Any]:
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(SETTINGS):
        figure = Figure(figsize=(5.4, 3.9), layout="constrained")
        figure.patch.set_alpha(0)
        axes = figure.add_subplot()
    axes.patch.set_alpha(0)
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    axes.grid(color=LINE, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(length=0)
    return figure, axes


def _points(axes: Any, points: Sequence[tuple[float, float]], colour: str) -> None:
    """One faint point for each portrait, behind the line of its method."""
    across, up = zip(*points, strict=True) if points else ((), ())
    axes.scatter(across, up, s=11, color=colour, alpha=0.35, linewidths=0)


def _line(
    axes: Any, rows: Sequence[Any], x: str, y: str, colour: str, label: str, style: str
) -> None:
    known = [row for row in rows if row[y] is not None]
    if known:
        axes.plot(
            [row[x] for row in known],
            [row[y] for row in known],
            color=colour,
            linewidth=1.8,
            linestyle=style,
            marker="o" if style == "-" else None,
            markersize=4,
            label=label,
        )


def _shade_extrapolated(axes: Any, photos: Any, low: float, high: float) -> None:
    if photos is None:
        return
    if photos["youngest"] > low:
        axes.axvspan(low, photos["youngest"], color=SHADE, linewidth=0)
    if photos["oldest"] < high:
        axes.axvspan(photos["oldest"], high, color=SHADE, linewidth=0)


def _svg(figure: Any, axes: Any) -> str:
    from matplotlib import rc_context

    with rc_context(SETTINGS):
        axes.legend(frameon=False, fontsize=9)
        buffer = StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return buffer.getvalue()
