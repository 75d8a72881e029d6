"""Stored reports and cards, and the sentences that hold their figures."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from engine.weights.find import shipped_weights
from engine.weights.native import read_card

ROOT = Path(__file__).parents[2]
NUMBER = r"([-+]?\d+(?:\.\d+)?)"
Sentence = tuple[str, Iterable[float]]


def report(name: str) -> Any:
    """A report of `docs/reports/`."""
    return json.loads((ROOT / f"docs/reports/{name}.json").read_text(encoding="utf-8"))


def card(name: str) -> dict[str, Any]:
    """The card of a file in the package."""
    return read_card(shipped_weights()[name])["card"]
