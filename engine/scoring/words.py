"""Titles of methods and figures, and the format of numbers."""

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
SHARES = {"age_identity_accuracy", "bin_accuracy", "verification_rate"}
NONE, MINUS = "–", "\N{MINUS SIGN}"


def title(method: str) -> str:
    """The title of a method."""
    return TITLES.get(method, method.replace("_", " "))


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
    return NONE if value is None else f"{number(100 * value, 0)}\N{NO-BREAK SPACE}%"


def format_figure(name: str, value: Any) -> str:
    """A figure as text: shares in percent, years with one decimal."""
    match name:
        case _ if name in SHARES:
            return percent(value)
        case "age_mae" | "age_bias":
            return number(value, 1)
        case "perceptual":
            return number(value, 3)
        case _:
            return number(value)


def format_difference(name: str, value: Any) -> str:
    """A difference of two figures as text: that of shares in percentage points.

    >>> format_difference("verification_rate", 0.79), format_difference("identity", -0.05)
    ('79 points', '−0.05')
    """
    return f"{number(100 * value, 0)} points" if name in SHARES else format_figure(name, value)
