"""The labels of FFHQ-Aging (Or-El et al. 2020), in the variants of their table.

Spreadsheets turn `3-6` into a date and `10-14` into October, CSV readers turn `None` in the column
of glasses into a missing value, and where Face++ found no face every attribute is -1.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from engine.core.errors import UsageError
from engine.core.regular import open_regular
from engine.core.table import Table
from engine.data.csv_table import read_csv

GROUPS = (
    (0, 2), (3, 6), (7, 9), (10, 14), (15, 19), (20, 29), (30, 39), (40, 49), (50, 69), (70, 120),
)  # fmt: skip
"""First and last year of the ten classes."""
LONGEST_LINE = 1 << 16
"""Bytes in which the first line of a table is looked for."""
COLUMNS = (
    "image_number", "age_group", "age_group_confidence", "gender", "gender_confidence",
    "head_pitch", "head_roll", "head_yaw", "left_eye_occluded", "right_eye_occluded", "glasses",
)  # fmt: skip
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


@dataclass(frozen=True, slots=True)
class FfhqAging:
    """One picture's labels; None where its row holds none."""

    number: int
    group: int
    """Its class, 0..9."""
    group_confidence: float
    gender: str | None = None
    gender_confidence: float | None = None
    pitch: float | None = None
    roll: float | None = None
    yaw: float | None = None
    left_occluded: float | None = None
    right_occluded: float | None = None
    glasses: str | None = None

    @property
    def years(self) -> tuple[int, int]:
        """First and last year of its class."""
        return GROUPS[self.group]

    @property
    def has_attributes(self) -> bool:
        """Whether Face++ found the face; such rows have -1 everywhere else."""
        return any(value is not None for value in (self.pitch, self.roll, self.yaw))


class AttributeLimits(Table):
    """Which rows of FFHQ-Aging are used for training; the defaults are those of LATS."""

    age_confidence: float = Field(default=0.6, ge=0, le=1)
    gender_confidence: float = Field(default=0.66, ge=0, le=1)
    """These two must be exceeded."""
    pitch: float = Field(default=30.0, gt=0)
    yaw: float = Field(default=40.0, gt=0)
    """Degrees either way that must not be reached."""
    worse_eye: float = Field(default=90.0, gt=0)
    better_eye: float = Field(default=50.0, gt=0)
    """How far, out of 100, the more and the less occluded eye may not be."""
    dark_glasses: bool = False
    no_attributes: bool = True
    """Keep rows without attributes, as LATS does in effect."""

    def faults(self, row: FfhqAging) -> list[str]:
        """The flags that reject a row; none if it is kept."""
        flags: list[str] = []
        if row.group_confidence <= self.age_confidence:
            flags.append("low_label_confidence")
        if row.gender_confidence is not None and row.gender_confidence <= self.gender_confidence:
            flags.append("low_gender_confidence")
        if not row.has_attributes:
            return flags if self.no_attributes else [*flags, "no_face_attributes"]
        if _reaches(row.pitch, self.pitch) or _reaches(row.yaw, self.yaw):
            flags.append("pose")
        eyes = [-1.0 if eye is None else eye for eye in (row.left_occluded, row.right_occluded)]
        occluded = max(eyes) >= self.worse_eye or min(eyes) >= self.better_eye
        if occluded or (row.glasses == "Dark" and not self.dark_glasses):
            flags.append("occluded")
        return flags


def read_ffhq_aging(path: Path) -> dict[int, FfhqAging]:
    """The rows of `ffhq_aging_labels.csv` by picture number; UsageError names a faulty line."""
    # Read as text throughout: `None` is a kind of glasses.
    table = read_csv(path, "the labels in")
    absent = [name for name in COLUMNS[:3] if name not in table.columns]
    if absent:
        raise UsageError(f"`{path}` is not FFHQ-Aging's table: it lacks {', '.join(absent)}")
    rows: dict[int, FfhqAging] = {}
    for line, cells in table.rows:
        row = {name: cells.get(name, "") for name in COLUMNS}
        if not any(row.values()):
            continue
        try:
            parsed = _row(row)
        except ValueError as error:
            raise UsageError(f"line {line} of `{path}`: {error}") from None
        rows[parsed.number] = parsed
    if not rows:
        raise UsageError(f"`{path}` holds no labels")
    return rows


def is_ffhq_aging(path: Path) -> bool:
    """Whether the first line of a table names FFHQ-Aging's columns."""
    with open_regular(path) as file:
        first = file.readline(LONGEST_LINE).decode("utf-8-sig", "replace")
    head = {name.strip().strip('"') for name in first.split(",")}
    return {"image_number", "age_group"} <= head


def parse_group(text: str) -> int:
    """The class 0..9 of `3-6`, of the date a spreadsheet made of it, or of `70+`.

    >>> parse_group("3-6"), parse_group("6-Mar"), parse_group("Mar-06"), parse_group("70-120")
    (1, 1, 1, 9)
    >>> parse_group("Oct-14"), parse_group("2026-07-09"), parse_group("9/7/2026")
    (3, 2, 2)
    >>> parse_group("70+")
    9
    """
    text = text.strip().lower().replace("–", "-")
    for index, month in enumerate(MONTHS, start=1):
        text = re.sub(rf"{month}[a-z]*", str(index), text)
    numbers = [int(number) for number in re.findall(r"\d+", text)]
    if len(numbers) == 3:  # a whole date: its year says nothing
        numbers = sorted(numbers)[:2]
    starts = {low: place for place, (low, _) in enumerate(GROUPS)}
    if text.endswith("+") and len(numbers) == 1 and numbers[0] in starts:
        return starts[numbers[0]]
    if len(numbers) == 2:
        low, high = sorted(numbers)
        for place, group in enumerate(GROUPS):
            if group == (low, high):
                return place
    raise ValueError(f"`{text}` is no age group of FFHQ-Aging")


def group_of(age: float) -> int:
    """The class 0..9 of an age in years: 2.9 belongs to 0-2.

    >>> group_of(0), group_of(2.9), group_of(3), group_of(69.5), group_of(119)
    (0, 0, 1, 8, 9)
    """
    return max(place for place, (low, _) in enumerate(GROUPS) if low <= max(age, 0))


def _row(cells: dict[str, str]) -> FfhqAging:
    number, confidence = _number(cells["image_number"]), _number(cells["age_group_confidence"])
    if number is None or number < 0 or not float(number).is_integer():
        raise ValueError(f"`{cells['image_number']}` is no picture number")
    attributes = {
        name: _known(cells[column])
        for name, column in (
            ("pitch", "head_pitch"),
            ("roll", "head_roll"),
            ("yaw", "head_yaw"),
            ("left_occluded", "left_eye_occluded"),
            ("right_occluded", "right_eye_occluded"),
        )
    }
    # -1 is an angle like any other; -1 in all of them is Face++ not having found the face.
    if all(value in (None, -1.0) for value in attributes.values()):
        attributes = dict.fromkeys(attributes)
    glasses = cells["glasses"].capitalize()
    return FfhqAging(
        number=int(number),
        group=parse_group(cells["age_group"]),
        group_confidence=0.0 if confidence is None else confidence,
        gender=cells["gender"].lower() if cells["gender"] not in ("", "-1") else None,
        gender_confidence=_known(cells["gender_confidence"]),
        glasses=glasses if glasses not in ("", "-1", "Nan") else None,
        **attributes,
    )


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _known(text: str) -> float | None:
    if text.lower() in ("", "nan", "none"):
        return None
    value = _number(text)
    if value is None:
        raise ValueError(f"`{text}` is no number")
    return value


def _reaches(angle: float | None, limit: float) -> bool:
    return angle is not None and abs(angle) >= limit
