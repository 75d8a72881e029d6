"""Terms on the page for figures of photographs: whose d0, which networks, what is left out."""

from collections.abc import Mapping
from typing import Any


def photo_compared(report: Mapping[str, Any]) -> str:
    """What a portrait is compared with, where there is no truth."""
    if report["reference"] is None:
        return "the photo that was aged"
    return f"the photograph of the person, or of its name, in `{report['reference']}`"


def photo_terms(report: Mapping[str, Any]) -> list[tuple[object, object]]:
    """Terms and definitions; none for drawn portraits."""
    if report["domain"] != "photos":
        return []
    figures = [report[method] for method in report["methods"]]
    gender = report["evaluators"]["gender"]
    pairs: list[tuple[object, object]] = [
        ("gender kept", f"share of portraits in which {gender} sees the gender of their photo"),
    ]
    if any(own["impostor_distance"] is not None for own in figures):
        pairs.insert(0, ("impostors", _impostors(figures)))
    ages = report["evaluators"]["ages"]
    if len(ages) > 1:
        pairs.append(("ages", f"by {ages[0]}; beside it by {', '.join(ages[1:])}"))
    if report["targets_estimated"]:
        pairs.append(
            ("target ages", f"of {report['targets_estimated']} photos estimated, by {ages[0]}: "
             "nothing says them, and the age is to be kept")
        )  # fmt: skip
    if report.get("unused"):
        pairs.append(("left out", _unused(report["unused"])))
    return pairs


def _impostors(figures: list[Mapping[str, Any]]) -> str:
    """Whose mean distance d0 is, with the number of portraits."""
    counts: dict[str, int] = {}
    sexes: dict[str, int] = {}
    for own in figures:
        for cell, count in own["impostor_cells"].items():
            counts[cell] = counts.get(cell, 0) + count
        for by, count in own["sex_by"].items():
            sexes[by] = sexes.get(by, 0) + count
    cells = "; ".join(f"{cell} ({count})" for cell, count in counts.items())
    words = ", ".join(f"{by} ({count})" for by, count in sexes.items())
    return (
        "d0 is the mean distance between different people of one sex, age band and cheek lightness "
        "in public-domain portraits of adults of 25 to 93; a cell of under 30 pairs gives way to a "
        f"coarser one. Cells, with portraits: {cells}. The age is the target, the sex as {words}"
    )


def _unused(rows: list[Mapping[str, str]]) -> str:
    shown = "; ".join(f"{row['file']}: {row['reason']}" for row in rows[:10])
    return f"{shown}; and {len(rows) - 10} others" if len(rows) > 10 else shown
