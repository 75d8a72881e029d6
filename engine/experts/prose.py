"""Parse an age from generated text."""

import re
from dataclasses import dataclass

OLDEST = 120
RANGE_CONFIDENCE = 0.5
"""Factor of the confidence where the text gives a range."""
DECADE = re.compile(r"\b(early|mid|late)?[\s-]*(\d0)s\b", re.I)
WITHIN_DECADE = {"": 5, "early": 2, "mid": 5, "late": 8}


@dataclass(frozen=True, slots=True)
class ParsedAge:
    """Years, and the factor of confidence that the wording leaves."""

    years: float
    share: float


def parse_age(text: str) -> ParsedAge | None:
    """The one age in a text: a number, the middle of a range or of a decade; else None.

    Several numbers, a negative one, one over 120 or none at all are None, never 0.

    >>> parse_age("Predicted Age: 34").years, parse_age("about 30-35 years").years
    (34.0, 32.5)
    >>> parse_age("unknown"), parse_age("either 12, 30 or 60"), parse_age("-5")
    (None, None, None)
    >>> parse_age("0").years, parse_age("in her late 20s").years
    (0.0, 28.0)
    """
    decade = DECADE.search(text)
    if decade is not None:
        rest = text[: decade.start()] + text[decade.end() :]
        if re.search(r"\d", rest):
            return None
        part = (decade[1] if decade[1] is not None else "").lower()
        return ParsedAge(float(decade[2]) + WITHIN_DECADE[part], RANGE_CONFIDENCE)
    numbers = [(int(match[0]), match.start()) for match in re.finditer(r"\d+", text)]
    if any(number > OLDEST for number, _ in numbers) or not 1 <= len(numbers) <= 2:
        return None
    if any(text[:at].rstrip().endswith(("-", "−")) and at == _first(text) for _, at in numbers):
        return None
    if re.search(r"\d[.,]\d", text):
        return None
    if len(numbers) == 1:
        return ParsedAge(float(numbers[0][0]), 1.0)
    between = text[numbers[0][1] : numbers[1][1]].lower()
    if not re.fullmatch(r"\d+\s*(?:years?(?:\s*old)?\s*)?(?:-|–|—|to|and|or)\s*", between):
        return None
    low, high = sorted(number for number, _ in numbers)
    return ParsedAge((low + high) / 2, RANGE_CONFIDENCE)


def _first(text: str) -> int:
    """Position of the first digit of a text, -1 without any."""
    match = re.search(r"\d", text)
    return match.start() if match is not None else -1
