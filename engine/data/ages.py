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
        if self.born is not None and taken is not None and taken >= self.born:
            return Age(round((taken - self.born).days / YEAR, 1), "date")
        return None


def age_in_name(name: str) -> float | None:
    """The age at the head of a name such as `30_11.jpg`, None if there is none.

    >>> age_in_name("30_11.jpeg"), age_in_name("IMG_2034.jpg"), age_in_name("20200131_1.jpg")
    (30.0, None, None)
    """
    match = re.match(r"(\d{1,3})[_. ]", name)
    if match is None or int(match[1]) > OLDEST:
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

    UsageError names a missing column, or the line of a faulty age.
    """
    table = read_csv(path, "the ages in")
    column = table.path_column
    if column is None or "age" not in table.columns:
        raise UsageError(
            f"`{path}` needs a column `age` and one of {', '.join(PATH_COLUMNS)}",
            hint="its first line names the columns, such as `path,age`",
        )
    ages: dict[str, float] = {}
    for line, row in table.rows:
        try:
            years = float(row["age"])
        except ValueError:
            years = -1.0
        if not 0 <= years <= OLDEST:
            raise UsageError(f"line {line} of `{path}`: `{row['age']}` is not an age")
        ages[row[column]] = years
    return ages
