"""What `tm eval` says in the terminal."""

from typing import Any

from commands._console import emit_table, say, warn


def show_portraits(report: dict[str, Any]) -> None:
    """Figures of every way and control, and which way is better at what."""
    from engine.scoring.words import FIGURES, apart, title, told

    ways = {way: report[way] for way in report["ways"]}
    ways |= {way: report[way] for way in ("copied",) if way in report} | report["controls"]
    emit_table(
        ("", *FIGURES.values(), "portraits"),
        [
            (title(way), *(told(name, figures[name]) for name in FIGURES), figures["portraits"])
            for way, figures in ways.items()
        ],
    )
    for row in report["paired"]:
        if row["better"] is not None and {row["one"], row["other"]} <= set(report["ways"]):
            worse = row["other"] if row["better"] == row["one"] else row["one"]
            amount = apart(row["figure"], abs(row["difference"]))
            said = f"{title(row['better'])} is better than {title(worse)}"
            say(f"{said} at {FIGURES[row['figure']]}, by {amount}")
    for name, reason in report[report["ways"][0]]["null"].items():
        if name in FIGURES:
            warn(f"no {FIGURES[name]}: {reason}")


def show_landscapes(report: dict[str, Any]) -> None:
    """Figures of every generator, and the limits that the first one breaks."""
    from engine.landscapes.evaluation.page import SHOWN
    from engine.scoring.words import number

    rows = [(way, *(number(report[way][n], 3) for n in SHOWN)) for way in report["ways"]]
    emit_table(("", *(name.replace("_", " ") for name in SHOWN)), rows)
    for row in report[report["subject"]]["acceptance"]:
        if row["passed"] is False:
            warn(f"{row['measure']} is {number(row['value'], 3)}, the limit {row['limit']}")
        elif row["passed"] is None:
            warn(f"{row['measure']} was not measured: {row['why_null']}")
