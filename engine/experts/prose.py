"""An age in what a model wrote, for models that are asked in words."""

import re
from dataclasses import dataclass

OLDEST = 120
UNSURE = 0.5
"""What is left of the confidence where a range was given."""
DECADE = re.compile(r"\b(early|mid|late)?[\s-]*(\d0)s\b", re.I)
WITHIN_DECADE = {"": 5, "early": 2, "mid": 5, "late": 8}


@dataclass(frozen=True, slots=True)
class ToldAge:
    """Years, and the share of confidence that the wording leaves."""

    years: float
    share: float


def told_age(text: str) -> ToldAge | None:
    """The one age a text tells: a number, the middle of a range or of a decade; else None.

    Several numbers, a negative one, one over 120 or none at all are no answer, and never 0.

    >>> told_age("Predicted Age: 34").years, told_age("about 30-35 years").years
    (34.0, 32.5)
    >>> told_age("unknown"), told_age("either 12, 30 or 60"), told_age("-5")
    (None, None, None)
    >>> told_age("0").years, told_age("in her late 20s").years
    (0.0, 28.0)
    """
    decade = DECADE.search(text)
    if decade is not None:
        rest = text[: decade.start()] + text[decade.end() :]
        if re.search(r"\d", rest):
            return None
        part = (decade[1] if decade[1] is not None else "").lower()
        return ToldAge(float(decade[2]) + WITHIN_DECADE[part], UNSURE)
    numbers = [(int(found[0]), found.start()) for found in re.finditer(r"\d+", text)]
    if any(number > OLDEST for number, _ in numbers) or not 1 <= len(numbers) <= 2:
        return None
    if any(text[:at].rstrip().endswith(("-", "−")) and at == _first(text) for _, at in numbers):
        return None
    if re.search(r"\d[.,]\d", text):
        return None
    if len(numbers) == 1:
        return ToldAge(float(numbers[0][0]), 1.0)
    between = text[numbers[0][1] : numbers[1][1]].lower()
    if not re.fullmatch(r"\d+\s*(?:years?(?:\s*old)?\s*)?(?:-|–|—|to|and|or)\s*", between):
        return None
    low, high = sorted(number for number, _ in numbers)
    return ToldAge((low + high) / 2, UNSURE)


def _first(text: str) -> int:
    """Where the first digit of a text stands."""
    found = re.search(r"\d", text)
    return found.start() if found is not None else -1
