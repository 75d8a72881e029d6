"""The age of the person in a photo: from a CSV, the file's name, or the date."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from engine.core.errors import UsageError
from engine.core.numbers import OLDEST
from engine.data.csv_table import PATH_COLUMNS, read_csv

YEAR = 365.2425
NAMED = re.compile(r"(\d{1,3}(?:\.\d+)?)_\d+(?:_\d+)*(?:-[a-z0-9]+)*(?:\.[A-Za-z0-9]+)?")
"""`{age}_{number}`, perhaps with the number of a face, and what kept two outputs apart."""


@dataclass(frozen=True, slots=True)
class Age:
    """An age in years and its source: `csv`, `name` or `date`."""

    years: float
    source: str


@dataclass(frozen=True, slots=True)
class AgeSource:
    """Where the ages of a set of photos come from; a CSV goes before names, names before dates."""

    listed: Mapping[str, float] = field(default_factory=dict[str, float])
    born: date | None = None

    def age_of(self, photo: Path, taken: date | None) -> Age | None:
        """The age in a photo taken on that day, None if no source knows it."""
        for name in (photo.as_posix(), photo.name, photo.stem):
            if name in self.listed:
                return Age(self.listed[name], "csv")
        if (years := age_in_name(photo.name)) is not None:
            return Age(years, "name")
        if self.born is not None and taken is not None:
            years = round((taken - self.born).days / YEAR, 1)
            return Age(years, "date") if 0 <= years <= OLDEST else None
        return None


def age_in_name(name: str) -> float | None:
    """The age in a name `{age}_{number}`, None for any other: `001.jpg` and `2 Geburtstag.jpg` are
    no ages.

    >>> age_in_name("30_11.jpeg"), age_in_name("IMG_2034.jpg"), age_in_name("03 - beach.jpg")
    (30.0, None, None)
    """
    match = NAMED.fullmatch(name)
    if match is None or float(match[1]) > OLDEST:
        return None
    return float(match[1])


def parse_born(text: str) -> date:
    """Read `1975` (taken as the middle of that year) or `1975-03-31`."""
    try:
        if re.fullmatch(r"\d{4}", text):
            return date(int(text), 7, 1)
        return date.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"`{text}` is not a date of birth", hint="write it as `1975` or `1975-03-31`"
        ) from None


def read_age_csv(path: Path) -> dict[str, float]:
    """Ages in years by file, from a table with a column of paths or names and one called `age`.

    A line without an age says nothing. UsageError names a missing column, the line of a faulty
    age, or two lines that contradict each other.
    """
    table = read_csv(path, "the ages in")
    column = table.path_column
    if column is None or "age" not in table.columns:
        raise UsageError(
            f"`{path}` needs a column `age` and one of {', '.join(PATH_COLUMNS)}",
            hint="its first line names the columns, such as `path,age`",
        )
    ages: dict[str, float] = {}
    lines: dict[str, int] = {}
    for line, row in table.rows:
        if not row["age"]:
            continue
        try:
            years = float(row["age"])
        except ValueError:
            years = -1.0
        if not 0 <= years <= OLDEST:
            raise UsageError(f"line {line} of `{path}`: `{row['age']}` is not an age")
        name = row[column]
        if ages.get(name, years) != years:
            raise UsageError(
                f"line {line} of `{path}`: `{name}` is {years:g} here and {ages[name]:g} in line "
                f"{lines[name]}",
                hint="keep one of both",
            )
        ages[name], lines[name] = years, line
    return ages
