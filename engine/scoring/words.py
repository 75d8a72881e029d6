"""Titles of methods and figures, and the format of numbers."""

from collections.abc import Mapping
from typing import Any

TITLES = {
    "oneshot": "one-shot",
    "copied": "nearest photo",
    "nothing": "unchanged photo",
    "truth": "truth",
}
FIGURES = {
    "identity": "identity",
    "perceptual": "perceptual distance",
    "age_mae": "age error",
    "age_identity_accuracy": "age and identity accuracy",
}
PHOTO_FIGURES = {
    "identity": FIGURES["identity"],
    "perceptual_to_photo": "distance to the photo",
    "age_mae": FIGURES["age_mae"],
    "age_identity_accuracy": FIGURES["age_identity_accuracy"],
    "gender_kept": "gender kept",
}
"""Of photographs without truth."""
SHARES = {"age_identity_accuracy", "bin_accuracy", "verification_rate", "gender_kept"}
NONE, MINUS, UNIT = "–", "\N{MINUS SIGN}", "\N{NO-BREAK SPACE}%"


def title(method: str) -> str:
    """The title of a method."""
    return TITLES.get(method, method.replace("_", " "))


def headline(report: Mapping[str, Any]) -> dict[str, str]:
    """The figures of the summary and their names: those of drawn portraits, or of photographs.

    Without truth, photographs have the perceptual distance to the photo that was aged.
    """
    if report["domain"] != "photos":
        return FIGURES
    if "truth" in report["controls"]:
        return FIGURES | {"gender_kept": PHOTO_FIGURES["gender_kept"]}
    return PHOTO_FIGURES


def beside_nothing(report: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The comparisons of identity with the unchanged photo."""
    return [
        row
        for row in report["paired"]
        if row["other"] == "nothing"
        and row["figure"] == "identity"
        and row["one"] in report["methods"]
        and not row["too_few"]
    ]


def against_nothing(row: Mapping[str, Any]) -> str:
    """How near to the person, beside the unchanged photo.

    >>> row = {"one": "sam", "better": None, "difference": 0.004, "interval": [-0.1, 0.1]}
    >>> against_nothing(row)
    'no nearer to the person than the unchanged photo: 0.00 (−0.10 to 0.10)'
    """
    words = {None: "no nearer to", row["one"]: "nearer to"}.get(row["better"], "farther from")
    low, high = (number(edge) for edge in row["interval"])
    difference = f"{number(row['difference'])} ({low} to {high})"
    return f"{words} the person than the unchanged photo: {difference}"


def number(value: Any, digits: int = 2) -> str:
    """A figure as text, a dash where there is none.

    >>> number(0.456), number(-3.21, 1), number(-0.001), number(None)
    ('0.46', '−3.2', '0.00', '–')
    """
    # Adding 0 makes a zero of a negative one.
    return NONE if value is None else f"{round(value, digits) + 0:.{digits}f}".replace("-", MINUS)


def percent(value: Any) -> str:
    """A share as text.

    >>> percent(0.928), percent(None)
    ('93\xa0%', '–')
    """
    return NONE if value is None else f"{number(100 * value, 0)}{UNIT}"


def format_figure(name: str, value: Any) -> str:
    """A figure as text: shares in percent, years with one decimal."""
    match name:
        case _ if name in SHARES:
            return percent(value)
        case "age_mae" | "age_bias":
            return number(value, 1)
        case _ if name.startswith("age_mae by "):
            return number(value, 1)
        case "perceptual" | "perceptual_to_photo":
            return number(value, 3)
        case _:
            return number(value)


def format_interval(name: str, figures: Mapping[str, Any]) -> str:
    """A figure with its 95 % interval, where it has one of any width.

    >>> format_interval("gender_kept", {"gender_kept": 0.9, "gender_kept_interval": [0.8, 1]})
    '90\xa0% (80 to 100)'
    >>> format_interval("age_mae", {"age_mae": 5.21, "age_mae_interval": [4.6, 5.83]})
    '5.2 (4.6 to 5.8)'
    """
    shown = format_figure(name, figures[name])
    low, high = figures.get(f"{name}_interval") or (None, None)
    if low == high:
        return shown
    first, last = (format_figure(name, edge).removesuffix(UNIT) for edge in (low, high))
    return f"{shown} ({first} to {last})"


def format_difference(name: str, value: Any) -> str:
    """A difference of two figures as text: that of shares in percentage points.

    >>> format_difference("verification_rate", 0.79), format_difference("identity", -0.05)
    ('79 points', '−0.05')
    """
    return f"{number(100 * value, 0)} points" if name in SHARES else format_figure(name, value)
