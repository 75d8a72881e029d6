"""Ratings of valence and arousal by people, in tables of several layouts."""

import csv
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Self

from engine.core.errors import InputError, UsageError
from engine.core.numbers import parse_number
from engine.core.regular import read_bytes

IMAGE_NAMES = ("image", "file", "filename", "name", "theme")
COLUMNS = 3


class RatingScale(NamedTuple):
    """A scale of ratings and its map to 0..1: (rating - low) / (high - low).

    >>> RatingScale.parse("div9").unit(4.5), RatingScale.parse("minmax").unit(5)
    (0.5, 0.5)
    >>> RatingScale.parse("1..7").unit(7)
    1.0
    """

    name: str
    low: float
    high: float

    @classmethod
    def parse(cls, text: str) -> Self:
        """`div9` (rating / 9), `minmax` (1..9) or `low..high`; ValueError for anything else."""
        known = {"div9": (0.0, 9.0), "minmax": (1.0, 9.0)}
        if text in known:
            return cls(text, *known[text])
        first, dots, last = text.partition("..")
        if not dots:
            raise ValueError(f"`{text}` is not a scale; write `div9`, `minmax` or `1..7`")
        low, high = parse_number(first), parse_number(last)
        if low >= high:
            raise ValueError(f"the scale `{text}` ends before it begins")
        return cls(text, low, high)

    def unit(self, rating: float) -> float:
        """The rating in 0..1; ValueError if it is not on the scale."""
        if not (math.isfinite(rating) and self.low <= rating <= self.high):
            raise ValueError(f"{rating:g} is not on the scale {self.low:g}..{self.high:g}")
        return (rating - self.low) / (self.high - self.low)


@dataclass(frozen=True, slots=True)
class Ratings:
    """Valence and arousal in 0..1 by the image's key, and the rows that could not be used."""

    va: dict[str, tuple[float, float]]
    faults: tuple[str, ...]


def read_ratings(file: Path, scale: RatingScale) -> Ratings:
    """Read a table of image, valence and arousal, with or without a header.

    Lines may end in LF, CRLF or a bare CR. The first line is a header if its second or third field
    is not a number; it may name its columns in any order. If an image is rated twice, the last row
    counts. InputError for a table without ratings, UsageError for a missing file.
    """
    rows = [(number, row) for number, row in enumerate(_rows(file), 1) if any(map(str.strip, row))]
    if not rows:
        raise InputError(f"`{file}` has no ratings")
    columns = (0, 1, 2)
    first = rows[0][1]
    if len(first) < COLUMNS or not all(_parses(field) for field in first[1:COLUMNS]):
        columns = _columns(file, first)
        rows = rows[1:]
    va: dict[str, tuple[float, float]] = {}
    faults: list[str] = []
    for number, row in rows:
        try:
            image, valence, arousal = (row[column].strip() for column in columns)
            key = image_key(image)
            pair = scale.unit(float(valence)), scale.unit(float(arousal))
        except IndexError:
            faults.append(f"line {number}: {len(row)} fields are too few")
        except ValueError as error:
            faults.append(f"line {number}: {error}")
        else:
            if key in va:
                faults.append(f"line {number}: `{image}` is rated twice, this row counts")
            va[key] = pair
    return Ratings(va, tuple(faults))


def read_rating_lists(valence: Path, arousal: Path, scale: RatingScale) -> Ratings:
    """Read two text files of one rating a line: line k belongs to image k.

    An empty line is an image without a rating; empty lines at the end are ignored.
    """
    columns = [_column(file) for file in (valence, arousal)]
    if len(columns[0]) != len(columns[1]):
        raise InputError(
            f"`{valence}` has {len(columns[0])} ratings and `{arousal}` {len(columns[1])}"
        )
    va: dict[str, tuple[float, float]] = {}
    faults: list[str] = []
    for number, pair in enumerate(zip(*columns, strict=True), 1):
        try:
            first, second = (scale.unit(float(rating)) for rating in pair)
        except ValueError as error:
            faults.append(f"line {number}: {error}")
        else:
            va[str(number)] = first, second
    return Ratings(va, tuple(faults))


def image_key(name: str) -> str:
    """The key by which a table and a file name match: 1, 1.0, 0001 and 0001.jpg are one image.

    >>> [image_key(name) for name in ("1", "1.0", "0001.jpg", "Beach 2 ", "Beach 2 .JPG")]
    ['1', '1', '1', 'beach 2', 'beach 2']
    """
    name = name.strip()
    if not name:
        raise ValueError("the row has no image")
    if not _is_number(name):
        name = re.sub(r"\.(jpe?g|png|webp)$", "", name, flags=re.IGNORECASE).strip()
    if _is_number(name) and float(name).is_integer():
        return str(int(float(name)))
    return name.lower()


def _rows(file: Path) -> list[list[str]]:
    try:
        text = read_bytes(file).decode("utf-8-sig")
    except FileNotFoundError:
        raise UsageError(f"there is no ratings file `{file}`") from None
    except OSError as error:
        raise UsageError(f"`{file}` cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise InputError(f"`{file}` is not UTF-8 text") from None
    return list(csv.reader(re.split(r"\r\n|\r|\n", text)))


def _columns(file: Path, header: Sequence[str]) -> tuple[int, int, int]:
    names = [name.strip().lower() for name in header]
    image = next((names.index(name) for name in IMAGE_NAMES if name in names), 0)
    valence, arousal = (
        next((i for i, name in enumerate(names) if name.startswith(value)), None)
        for value in ("valence", "arousal")
    )
    if valence is None or arousal is None:
        if len(names) == COLUMNS:
            return 0, 1, 2
        raise InputError(f"the header of `{file}` has no columns `valence` and `arousal`")
    return image, valence, arousal


def _column(file: Path) -> list[str]:
    column = [row[0] if row else "" for row in _rows(file)]
    while column and not column[-1].strip():
        column.pop()
    return column


def _is_number(text: str) -> bool:
    return _parses(text) and math.isfinite(float(text))


def _parses(text: str) -> bool:
    """Whether it is a number; `nan` is one too: a missing rating, not a header."""
    try:
        float(text)
    except ValueError:
        return False
    return True
