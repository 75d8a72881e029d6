"""How old the person is in a photo: told by a CSV, by the file's name, or by the date."""

import csv
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from engine.core.errors import UsageError
from engine.core.numbers import OLDEST

YEAR = 365.2425
PATH_COLUMNS = ("path", "file", "filename", "name", "image", "photo")


@dataclass(frozen=True, slots=True)
class Age:
    """An age in years and which source told it: `csv`, `name` or `date`."""

    years: float
    source: str


@dataclass(frozen=True, slots=True)
class AgeSource:
    """Where the ages of a set of photos come from; a CSV goes before names, names before dates."""

    listed: Mapping[str, float] = field(default_factory=dict[str, float])
    born: date | None = None

    def age_of(self, photo: Path, taken: date | None) -> Age | None:
        """The age in `photo`, taken on the day its camera noted, or None if nothing tells it."""
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
    found = re.match(r"(\d{1,3})[_. ]", name)
    if found is None or int(found[1]) > OLDEST:
        return None
    return float(found[1])


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
    """Ages by file from a table with a column of paths or names and one called `age`."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"the ages in `{path}` cannot be read: {error}") from None
    rows = csv.DictReader(io.StringIO(text, newline=""), skipinitialspace=True)
    columns = {name.strip().lower(): name for name in rows.fieldnames or []}
    named = next((columns[name] for name in PATH_COLUMNS if name in columns), None)
    if named is None or "age" not in columns:
        raise UsageError(
            f"`{path}` needs a column `age` and one of {', '.join(PATH_COLUMNS)}",
            hint="its first line names the columns, such as `path,age`",
        )
    ages: dict[str, float] = {}
    for row in rows:
        told = (row[columns["age"]] or "").strip()
        try:
            years = float(told)
        except ValueError:
            years = -1.0
        if not 0 <= years <= OLDEST:
            raise UsageError(f"line {rows.line_num} of `{path}`: `{told}` is not an age")
        ages[(row[named] or "").strip()] = years
    return ages
