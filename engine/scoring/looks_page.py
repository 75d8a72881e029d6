"""The section of the page on looks against the true photographs."""

from collections.abc import Mapping, Sequence
from typing import Any

from engine.scoring.looks import MEASURES
from engine.scoring.markup import Html, joined, table, tag
from engine.scoring.words import NONE, number, title


def looks_section(report: Mapping[str, Any]) -> Html:
    """Distances of every method, and by how much the subject is nearer; nothing without them."""
    if "looks" not in report:
        return Html()
    looks, left = report["looks"], report["left_out"]
    words = (
        f"The training was repeated without {left['photographs']} of {left['of']} photographs, "
        "which were aged to each other's ages. Distances of hair, skin and shape to the true "
        "photograph, 0 is equal, with 95 % intervals over true photographs: two photographs of "
        "one age differ too."
    )
    methods = list(looks["distances"])
    head = ["", *(title(method) for method in methods)]
    rows: list[tuple[str, Sequence[object]]] = [
        ("", (words, *(_cell(looks["distances"][method][measure]) for method in methods)))
        for measure, words in MEASURES.items()
    ]
    return tag(
        "section",
        tag("h2", "Looks"),
        tag("p", words),
        table(head, rows, label="looks"),
        tag("ul", *(tag("li", _nearer(row, looks["subject"])) for row in looks["nearer"])),
    )


def _cell(figure: Mapping[str, Any] | None) -> Html:
    if figure is None:
        return joined([NONE, tag("small", "not seen")])
    low, high = (number(edge) for edge in figure["interval"])
    return joined([number(figure["mean"]), tag("small", f"{low} to {high}")])


def _nearer(row: Mapping[str, Any], subject: str) -> str:
    low, high = (number(edge) for edge in row["interval"])
    sure = "" if row["better"] is not None else ", not significant"
    return (
        f"{title(subject)} against {title(row['than'])}, {MEASURES[row['measure']]}: nearer by "
        f"{number(row['mean'])} ({low} to {high}){sure}"
    )
