"""Numbers as people write them in recipes and on the command line: 60k, 38..42, 40±2."""

import re
from collections.abc import Sequence
from math import isfinite
from typing import Annotated, Any, NamedTuple, Self, cast

from pydantic import BeforeValidator, GetCoreSchemaHandler
from pydantic_core import core_schema

from engine.core.table import fault_of

THOUSANDS = {"": 1, "k": 1_000, "m": 1_000_000}
NUMBER = r"-?\d[\d_]*(?:\.\d+)?(?:[eE][+-]?\d+)?"
OLDEST = 120
AGE_CAP = 100
"""Years by which SAM (Alaluf et al. 2021) divides an age: the cap of its training labels."""


def parse_number(text: str) -> float:
    """Read a number with an optional k or M behind it.

    >>> parse_number("60k"), parse_number("1.5M"), parse_number("5e-7")
    (60000.0, 1500000.0, 5e-07)
    """
    text = text.strip()
    match = re.fullmatch(rf"({NUMBER})([kKmM]?)", text)
    if not match:
        raise ValueError(f"`{text}` is not a number; write it as `0.07`, `60k` or `1.5M`")
    value = float(match[1].replace("_", "")) * THOUSANDS[match[2].lower()]
    if not isfinite(value):
        raise ValueError(f"`{text}` is larger than any number here")
    return value


def parse_count(text: str) -> int:
    """Read a whole number with an optional k or M behind it.

    >>> parse_count("40k"), parse_count("1_000")
    (40000, 1000)
    """
    value = parse_number(text)
    if not value.is_integer():
        raise ValueError(f"`{text}` is not a whole number")
    return int(value)


def _parsed_by(parse: Any) -> BeforeValidator:
    def read(value: object) -> object:
        if isinstance(value, bool):
            raise fault_of("expected a number, not true or false")
        if not isinstance(value, str):
            return value
        try:
            return parse(value)
        except ValueError as error:
            raise fault_of(str(error)) from None

    return BeforeValidator(read)


Count = Annotated[int, _parsed_by(parse_count)]
"""A whole number in a recipe, human notation allowed."""

Real = Annotated[float, _parsed_by(parse_number)]
"""A number in a recipe, human notation allowed."""


class _ParsedText:
    """A value that recipes write as text: parsed on the way in, `str` on the way out."""

    @classmethod
    def parse(cls, value: object) -> Self:
        raise TypeError(f"{cls.__name__} cannot be parsed")

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        def check(value: object) -> Self:
            try:
                return value if isinstance(value, cls) else cls.parse(value)
            except ValueError as error:
                raise fault_of(str(error)) from None

        return core_schema.no_info_plain_validator_function(
            check, serialization=core_schema.to_string_ser_schema()
        )


class _Bounds(NamedTuple):
    low: float
    high: float


class Span(_Bounds, _ParsedText):
    """A closed range, written `38..42`.

    >>> Span.parse("38..42"), str(Span(0.25, 0.6)), 40 in Span(38, 42)
    (Span(low=38.0, high=42.0), '0.25..0.6', True)
    """

    @classmethod
    def parse(cls, value: object) -> Self:
        """Read `low..high` or a list of two numbers; ValueError says what is wrong."""
        if isinstance(value, list | tuple) and len(value) == 2:  # pyright: ignore[reportUnknownArgumentType]
            value = "..".join(str(bound) for bound in cast(Sequence[object], value))
        low, dots, high = f"{value}".partition("..")
        if not dots:
            raise ValueError(f"`{value}` is not a range; write it as `38..42`")
        span = cls(parse_number(low), parse_number(high))
        if span.low > span.high:
            raise ValueError(f"the range `{value}` ends before it begins")
        return span

    def __contains__(self, value: object) -> bool:
        return isinstance(value, int | float) and self.low <= value <= self.high

    def __str__(self) -> str:
        return f"{self.low:g}..{self.high:g}"


class _Window(NamedTuple):
    age: float
    jitter: float


class AgeWindow(_Window, _ParsedText):
    """An age in years with what it may be off by, written `40±2` or `40+-2`; a bare age is exact.

    >>> AgeWindow.parse("40+-2"), str(AgeWindow(40, 2)), AgeWindow.parse(35).span
    (AgeWindow(age=40.0, jitter=2.0), '40±2', Span(low=35.0, high=35.0))
    """

    @classmethod
    def parse(cls, value: object) -> Self:
        """Read an age window; ValueError says what is wrong."""
        if isinstance(value, bool):
            raise ValueError("expected an age, not true or false")
        age, _, jitter = str(value).replace("+-", "±").partition("±")
        try:
            window = cls(parse_number(age), parse_number(jitter) if jitter.strip() else 0.0)
        except ValueError:
            raise ValueError(f"`{value}` is not an age; write it as `40` or `40±2`") from None
        if not 0 <= window.age <= OLDEST:
            raise ValueError(f"the age {window.age:g} is outside 0..{OLDEST}")
        if window.jitter < 0:
            raise ValueError(f"the jitter of `{value}` is negative")
        return window

    @property
    def span(self) -> Span:
        """The ages the window covers, kept within 0..120."""
        return Span(max(self.age - self.jitter, 0), min(self.age + self.jitter, OLDEST))

    def __str__(self) -> str:
        return f"{self.age:g}±{self.jitter:g}" if self.jitter else f"{self.age:g}"
