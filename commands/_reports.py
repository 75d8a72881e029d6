"""The report of `tm eval` in the terminal."""

from typing import Any

from commands._console import emit_table, say, warn


def show_report(report: dict[str, Any]) -> None:
    """The table of figures, comparisons, and warnings of a report."""
    from engine.app.eval import summarise

    summary = summarise(report)
    emit_table(summary.columns, summary.rows)
    for line in summary.comparisons:
        say(line)
    for line in summary.warnings:
        warn(line)
