"""What ways and figures are called in pictures and pages, and how numbers are written."""

from typing import Any

TITLES = {
    "oneshot": "one-shot",
    "copied": "nearest photo",
    "nothing": "left as it is",
    "truth": "truth",
}
FIGURES = {
    "identity": "identity",
    "perceptual": "distance to the truth",
    "age_mae": "age error",
    "right": "both right",
}
SHARES = {"right", "bin_accuracy", "known_again"}
NONE, MINUS = "–", "\N{MINUS SIGN}"


def title(way: str) -> str:
    """A way's name for people."""
    return TITLES.get(way, way.replace("_", " "))


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


def told(name: str, value: Any) -> str:
    """A figure by its name: shares in percent, years with one digit, the rest with their own."""
    match name:
        case _ if name in SHARES:
            return percent(value)
        case "age_mae" | "age_bias":
            return number(value, 1)
        case "perceptual":
            return number(value, 3)
        case _:
            return number(value)


def apart(name: str, value: Any) -> str:
    """A difference of two figures by its name: that of shares is in points.

    >>> apart("right", 0.79), apart("identity", -0.05)
    ('79 points', '−0.05')
    """
    return f"{number(100 * value, 0)} points" if name in SHARES else told(name, value)
