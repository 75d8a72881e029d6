"""Contact sheets of an evaluation: one photo by all methods, and all photos by one method."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from engine.faces.rotation import Pixels
from engine.images.sheet import FAINT, INK, PAPER
from engine.scoring.evaluate import Evaluation
from engine.scoring.material import NOTHING, TRUTH, Method, Task
from engine.scoring.rows import Row
from engine.scoring.words import number, title

EXTRAPOLATED = (46, 38, 22)
EXTRAPOLATED_INK = (240, 190, 100)
CELL, GAP, LABEL, HEAD, LINE = 192, 10, 108, 50, 17
SMALL, LARGE = 13, 19
MOST_ROWS = 40
"""Photos on a sheet: all of 10,000 would be two million pixels high."""


@dataclass(frozen=True, slots=True, eq=False)
class Cell:
    """A picture and up to two lines below it."""

    pixels: Pixels
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Column:
    """A target age, and its years outside the ages of the training photos, None if unknown."""

    age: float
    extrapolated_years: float | None
    heading: str | None = None
    """What stands above it, if not the age."""

    @property
    def extrapolated(self) -> bool:
        """Whether no training photo is that young or that old."""
        return self.extrapolated_years is not None and self.extrapolated_years > 0


def strip(evaluation: Evaluation, source: str) -> Pixels:
    """One photo: a row for the input, each method and the truth; a column for each target."""
    material = evaluation.material
    columns = columns_of(evaluation, source)
    photo = material.sources[source]
    own = Cell(photo.face(CELL), ("the photo" + _age(photo.age),))
    place = place_of(columns, photo.age)
    shown = [method for method in evaluation.methods if not method.control or method.name == TRUTH]
    lines = [
        ("input", [own if at == place else None for at in range(len(columns))]),
        *(
            (title(method.name), [_cell(evaluation, method, Task(source, c.age)) for c in columns])
            for method in shown
        ),
    ]
    return draw_sheet(columns, lines)


def grid(evaluation: Evaluation, method: Method) -> Pixels:
    """One method: a row for each of the first 40 photos, a column for each age.

    Photographs of many ages stand beside their own portraits.
    """
    material = evaluation.material
    if material.by_pairs:
        return _pairs(evaluation, method)
    ages = sorted({task.target for task in method.portraits})
    columns = [Column(age, _extrapolation(evaluation, age)) for age in ages]
    sources = dict.fromkeys(task.source for task in material.tasks if task in method.portraits)
    return draw_sheet(
        columns,
        [
            (
                material.sources[source].name,
                [_cell(evaluation, method, Task(source, age)) for age in ages],
            )
            for source in list(sources)[:MOST_ROWS]
        ],
    )


def _pairs(evaluation: Evaluation, method: Method) -> Pixels:
    material = evaluation.material
    lines: list[tuple[str, list[Cell | None]]] = []
    for source, tasks in list(tasks_of(evaluation, method).items())[:MOST_ROWS]:
        photo = material.sources[source]
        cells: list[Cell | None] = [Cell(photo.face(CELL), ("the photo" + _age(photo.age),))]
        for task in tasks:
            cell = _cell(evaluation, method, task)
            assert cell is not None
            cells.append(replace(cell, lines=(f"at {task.target:g}", *cell.lines)))
        lines.append((photo.name, cells))
    width = max(len(cells) for _, cells in lines)
    columns = [Column(0, None, "" if at else "input") for at in range(width)]
    return draw_sheet(columns, [(name, cells + [None] * (width - len(cells)))
                                for name, cells in lines])  # fmt: skip


def tasks_of(evaluation: Evaluation, method: Method) -> dict[str, list[Task]]:
    """The tasks of a method by photo, in their order."""
    tasks: dict[str, list[Task]] = {}
    for task in evaluation.material.tasks:
        if task in method.portraits:
            tasks.setdefault(task.source, []).append(task)
    return tasks


def columns_of(evaluation: Evaluation, source: str) -> list[Column]:
    """The target ages of a photo by any method."""
    tasks = [task for task in evaluation.material.tasks if task.source == source]
    return [Column(task.target, _extrapolation(evaluation, task.target)) for task in tasks]


def place_of(columns: Sequence[Column], age: float | None) -> int:
    """The column of a photo: that of the nearest target age, or the first."""
    if age is None:
        return 0
    return int(np.abs([column.age - age for column in columns]).argmin())


def row_of(evaluation: Evaluation, method: Method, task: Task) -> Row:
    """The row of a portrait in the report."""
    rows = evaluation.report["rows"][method.name]
    here = (task.source[:12], task.target)
    return next(row for row in rows if (row["photo_sha256"], row["target"]) == here)


def best_source(evaluation: Evaluation) -> str:
    """The photo with most portraits, the first of several."""
    material = evaluation.material
    counts = Counter(task.source for method in material.methods for task in method.portraits)
    return max((task.source for task in material.tasks), key=lambda source: counts[source])


def draw_sheet(
    columns: Sequence[Column], lines: Sequence[tuple[str, Sequence[Cell | None]]]
) -> Pixels:
    """Draw cells under their target ages; extrapolated columns are tinted and marked."""
    step = CELL + GAP
    below = LINE * max((len(c.lines) for _, row in lines for c in row if c is not None), default=0)
    width, height = LABEL + len(columns) * step + GAP, HEAD + len(lines) * (step + below) + GAP
    sheet = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(sheet)
    small, large = ImageFont.load_default(SMALL), ImageFont.load_default(LARGE)
    for at, column in enumerate(columns):
        left = LABEL + at * step
        ink = INK
        if column.extrapolated:
            ink = EXTRAPOLATED_INK
            draw.rectangle((left - GAP // 2, 0, left + CELL + GAP // 2 - 1, height), EXTRAPOLATED)
            draw.text((left, 29), "extrapolated", EXTRAPOLATED_INK, small)
        heading = f"{column.age:g} years" if column.heading is None else column.heading
        draw.text((left, 6), heading, ink, large)
    for at, (name, row) in enumerate(lines):
        top = HEAD + at * (step + below)
        draw.text((GAP, top + CELL // 2 - LINE), _wrapped(name), INK, ImageFont.load_default(15))
        for place, cell in enumerate(row):
            if cell is None:
                continue
            left = LABEL + place * step
            tile = Image.fromarray(cell.pixels).resize((CELL, CELL), Image.Resampling.LANCZOS)
            sheet.paste(tile, (left, top))
            for number_of, words in enumerate(cell.lines):
                ink = FAINT if not columns[place].extrapolated else EXTRAPOLATED_INK
                draw.text((left, top + CELL + 2 + number_of * LINE), words, ink, small)
    return np.asarray(sheet)


def caption(row: Row) -> tuple[str, ...]:
    """Estimated age and identity, for a picture's caption."""
    parts = [] if row["predicted_age"] is None else [f"age {row['predicted_age']:.0f}"]
    parts += [] if row["identity"] is None else [f"identity {number(row['identity'])}"]
    return tuple([", ".join(parts)] if parts else [])


def _cell(evaluation: Evaluation, method: Method, task: Task) -> Cell | None:
    if task not in method.portraits:
        return None
    row = row_of(evaluation, method, task)
    lines = caption(row)
    if method.name in (TRUTH, NOTHING) and row["predicted_age"] is not None:
        lines = (f"age {row['predicted_age']:.0f}",)
    return Cell(method.portraits[task], lines)


def _extrapolation(evaluation: Evaluation, age: float) -> float | None:
    photos = evaluation.material.photos
    return None if photos is None else photos.extrapolation(age)


def _age(age: float | None) -> str:
    return "" if age is None else f", {age:g} years"


def _wrapped(name: str) -> str:
    return name.replace(" ", "\n") if len(name) > 11 else name
