"""Sizes and terms of weights as text."""

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from engine.app.weights import Weight

COMMERCIAL = {"yes": "yes", "no": "no", "unknown": "ask the authors"}


def format_size(count: int | None, *, exact: bool = True) -> str:
    """Bytes in the largest unit that gives 1 or more; `~` before a rough size, `?` for none."""
    if count is None:
        return "?"
    about = "" if exact else "~"
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= factor:
            return f"{about}{count / factor:.3g} {unit}"
    return f"{about}{count} B"


def format_origin(weight: "Weight") -> str:
    """Where weights are from, in a word or two; `tm weights pull` says the rest."""
    if weight.npm is not None:
        return f"npm {weight.npm}"
    if weight.package is not None:
        return f"pip {weight.package}"
    hosts = dict.fromkeys(urlsplit(address).netloc for address in weight.addresses)
    return ", ".join(hosts) or "by hand"


def format_terms(weight: "Weight") -> str:
    """Licence, commercial use and training data in one line."""
    return (
        f"licence: {weight.licence}; commercial use: {COMMERCIAL[weight.commercial]}; "
        f"trained on: {weight.data}"
    )
