"""A report as a table and sentences, for a terminal."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.evaluators.suite import NO_FEATURES
from engine.landscapes.evaluation.page import SHOWN
from engine.scoring.looks import looks_sentences
from engine.scoring.material import COPIED
from engine.scoring.words import (
    FIGURES,
    against_nothing,
    beside_nothing,
    format_difference,
    format_interval,
    headline,
    number,
    title,
)


@dataclass(frozen=True, slots=True)
class Summary:
    """A report as a table, sentences on significant differences, and warnings."""

    columns: Sequence[str]
    rows: Sequence[Sequence[object]]
    comparisons: Sequence[str] = ()
    warnings: Sequence[str] = ()


def summarise(report: Mapping[str, Any]) -> Summary:
    """The main figures of a report, for a terminal."""
    return _landscapes(report) if report["kind"] == "landscapes" else _portraits(report)


def _portraits(report: Mapping[str, Any]) -> Summary:
    methods = {method: report[method] for method in report["methods"]}
    methods |= {name: report[name] for name in (COPIED,) if name in report} | report["controls"]
    same = report["same_pictures"]
    comparisons = [
        f"{title(one)} made the same pictures as {title(of)}" for one, of in same.items()
    ]
    for row in report["paired"]:
        if row["better"] is not None and {row["one"], row["other"]} <= set(report["methods"]):
            worse = row["other"] if row["better"] == row["one"] else row["one"]
            amount = format_difference(row["figure"], abs(row["difference"]))
            comparisons.append(
                f"{title(row['better'])} is better than {title(worse)} in "
                f"{FIGURES[row['figure']]}, by {amount}"
            )
    comparisons += [
        f"{title(row['one'])} is {against_nothing(row)}" for row in beside_nothing(report)
    ]
    if "looks" in report:
        comparisons += looks_sentences(report["looks"])
    first, names = report[report["methods"][0]], headline(report)
    missing = {names[name]: why for name, why in first["null"].items() if name in names}
    shown = {
        name: words
        for name, words in names.items()
        if any(own[name] is not None for own in methods.values())
    }
    if "run" in report:
        comparisons += [f"{name}: {trend}" for name, trend in report["run"].items()]
    if first.get("sets", {}).get("why_null") == NO_FEATURES:
        missing["distance of sets"] = NO_FEATURES
    flags = [
        f"{title(name)}: {flag}" for name in report["methods"] for flag in report[name]["red_flags"]
    ]
    return Summary(
        ("", *shown.values(), "portraits"),
        [
            (title(name), *(format_interval(one, own) for one in shown), own["portraits"])
            for name, own in methods.items()
        ],
        comparisons,
        [*(f"red flag: {flag}" for flag in flags),
         *(f"no {name}: {why}" for name, why in missing.items())],
    )  # fmt: skip


def _landscapes(report: Mapping[str, Any]) -> Summary:
    warnings: list[str] = []
    for row in report[report["subject"]]["acceptance"]:
        if row["passed"] is False:
            warnings.append(f"{row['measure']} is {number(row['value'], 3)}, limit {row['limit']}")
        elif row["passed"] is None:
            warnings.append(f"{row['measure']} is not measured: {row['why_null']}")
    rows = [(name, *(number(report[name][n], 3) for n in SHOWN)) for name in report["methods"]]
    return Summary(("", *(name.replace("_", " ") for name in SHOWN)), rows, warnings=warnings)
