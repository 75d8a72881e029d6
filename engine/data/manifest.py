"""`manifest.jsonl`: one row for each picture of a prepared folder, kept by every `tm prep` verb."""

import os
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PositiveInt,
    ValidationError,
    field_validator,
    model_validator,
)

from engine.core.digest import file_sha256
from engine.core.errors import InputError, UsageError
from engine.core.ledger import Ledger, read_rows
from engine.core.numbers import OLDEST
from engine.core.regular import printable, real
from engine.data.ages import AgeSource
from engine.images.reading import find_pictures

MANIFEST = "manifest.jsonl"
Status = Literal["done", "skipped", "failed"]
Coordinate = Annotated[float, Field(ge=-1e6, le=1e6)]
Point = tuple[Coordinate, Coordinate]
PATH_MAX, NO_NUL = 4096, r"^[^\x00]*$"

ALWAYS = ("source", "output", "status", "reason", "sha256", "age", "box", "score")
"""Keys of every row, null or not; the others are left out where null."""


class Row(BaseModel):
    """One picture of a prepared folder; unknown keys are kept."""

    model_config = ConfigDict(
        frozen=True, extra="allow", use_attribute_docstrings=True, allow_inf_nan=False
    )

    source: str | None = Field(default=None, max_length=PATH_MAX, pattern=NO_NUL)
    """The photo it was made from, relative to the manifest's folder; null if it was rendered."""
    output: str | None = Field(default=None, max_length=PATH_MAX, pattern=NO_NUL)
    """The picture, relative to the manifest's folder; null if there is none."""
    status: Status = "done"
    reason: str | None = None
    sha256: str | None = None
    """Digest of the source, or of the output if there is no source."""
    age: float | None = Field(default=None, ge=0, le=OLDEST)
    age_by: str | None = None
    """Source of the age: `csv`, `name`, `date` or `truth`."""
    box: tuple[float, float, float, float] | None = None
    """Left, top, right, bottom in the upright source, pixels."""
    score: float | None = None
    landmarks: tuple[Point, ...] | None = Field(default=None, min_length=68, max_length=68)
    """68 points in the upright source, pixels."""
    quad: tuple[Point, ...] | None = Field(default=None, min_length=4, max_length=4)
    """Top left, bottom left, bottom right, top right of the FFHQ square, in the same pixels."""
    photo_size: tuple[PositiveInt, PositiveInt] | None = None
    """Width and height of the upright source."""
    face: int = 1
    """Which face of the source it is, the largest being 1."""
    detector: str | None = None
    profile: bool | None = None
    gray: bool | None = None
    taken: date | None = None
    settings: str | None = None
    """Digest of the settings it was made with."""
    scores: dict[str, float | bool] | None = None
    descriptor: tuple[float, ...] | None = Field(default=None, min_length=128, max_length=128)
    """dlib's 128-D descriptor of the output."""
    dhash: str | None = Field(default=None, pattern=r"^[0-9a-f]{16}$")
    scored: str | None = None
    """Digest of the output's content when it was scored."""
    verdict: Literal["keep", "drop"] | None = None
    reasons: tuple[str, ...] | None = None
    duplicate_of: str | None = None
    split: Literal["train", "test"] | None = None
    person: str | None = None
    truth: dict[str, Any] | None = None

    @field_validator("landmarks", "quad")
    @classmethod
    def _is_a_region(cls, points: tuple[Point, ...] | None) -> tuple[Point, ...] | None:
        if points is not None:
            _require_extent([x for x, _ in points], [y for _, y in points])
        return points

    @field_validator("box")
    @classmethod
    def _has_sides(cls, box: tuple[float, ...] | None) -> tuple[float, ...] | None:
        if box is not None:
            _require_extent([box[0], box[2]], [box[1], box[3]])
        return box

    @field_validator("quad")
    @classmethod
    def _is_a_square(cls, quad: tuple[Point, ...] | None) -> tuple[Point, ...] | None:
        if quad is not None:
            (ax, ay), (bx, by), _, (dx, dy) = quad
            if abs((bx - ax) * (dy - ay) - (by - ay) * (dx - ax)) < 1:
                raise ValueError("the corners lie on one line")
        return quad

    @model_validator(mode="after")
    def _names_a_picture(self) -> Self:
        if self.source is None and not self.output:
            raise ValueError("a row names no picture")
        return self

    @property
    def key(self) -> str:
        """Identifies the row in a rerun."""
        return f"{self.output} {self.face}" if self.source is None else f"{self.source} {self.face}"

    @property
    def usable(self) -> bool:
        """Whether there is a picture that was not filtered out."""
        return self.status == "done" and self.verdict != "drop"

    def dump(self) -> dict[str, Any]:
        """The row as JSON, without the optional keys that are null."""
        row = self.model_dump(mode="json")
        return {key: value for key, value in row.items() if key in ALWAYS or value is not None}


def _require_extent(*axes: list[float]) -> None:
    if any(max(axis) - min(axis) < 1 for axis in axes):
        raise ValueError("less than a pixel wide or high")


def key_of(row: dict[str, Any]) -> str:
    """`Row.key` of a row still in JSON."""
    return Row.model_validate(row).key


def ledger_of(folder: Path) -> Ledger:
    """The ledger behind a folder's manifest."""
    try:
        return Ledger(folder / MANIFEST, key=key_of)
    except ValidationError as error:
        raise _unreadable(folder / MANIFEST, error) from None


def read_manifest(folder: Path) -> list[Row]:
    """The rows of a prepared folder; InputError if it has no manifest."""
    path = folder / MANIFEST
    if not path.is_file():
        raise InputError(f"`{folder}` has no {MANIFEST}", hint="make one with `tm prep align`")
    return read_manifest_file(path)


def read_manifest_file(path: Path) -> list[Row]:
    """The rows of a manifest under any name; UsageError for a damaged one."""
    try:
        return [Row.model_validate(row) for row in read_rows(path)]
    except ValidationError as error:
        raise _unreadable(path, error) from None


def adopt(folder: Path, ages: AgeSource, *, every: bool = False) -> list[Row]:
    """Rows for a folder of pictures that no verb has prepared yet.

    every: also for what is there and not read, so that a batch can record why.
    """
    pictures = find_pictures(folder)
    rows: list[Row] = []
    for path in pictures.entries if every else pictures.pictures:
        name, age = printable(path.relative_to(folder).as_posix()), ages.age_of(path, None)
        years, source = (age.years, age.source) if age is not None else (None, None)
        digest, fault = None, dict[str, Any]()
        with suppress(OSError):  # whoever reads it records the reason
            digest = file_sha256(path)
        if name != path.relative_to(folder).as_posix():  # by this name nobody finds it again
            fault |= {"status": "failed", "reason": "its name is not UTF-8, rename it"}
        rows.append(Row(output=name, sha256=digest, age=years, age_by=source, **fault))
    if not rows:
        raise InputError(f"nothing to prepare in `{folder}`: {pictures.explanation}")
    return rows


def seen_from(folder: Path, path: Path) -> str:
    """`path` relative to `folder`, in POSIX form; absolute on another drive.

    A link to a picture is named by its own name; bytes that are not UTF-8 are written as `\\xe9`.
    """
    there = os.path.join(real(path.parent), path.name)
    with suppress(ValueError):  # on another drive
        there = os.path.relpath(there, real(folder))
    return printable(Path(there).as_posix())


def _unreadable(path: Path, error: ValidationError) -> UsageError:
    fault = error.errors()[0]
    return UsageError(f"`{path}` is damaged: {'.'.join(map(str, fault['loc']))}: {fault['msg']}")
