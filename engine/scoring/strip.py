"""Pictures of an evaluation: one photo in all ways, and all photos in one way."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from engine.faces.rotation import Pixels
from engine.images.sheet import FAINT, INK, PAPER
from engine.scoring.evaluate import Evaluation
from engine.scoring.material import NOTHING, TRUTH, Method, Task
from engine.scoring.rows import Row
from engine.scoring.words import number, title

BEYOND = (46, 38, 22)
BEYOND_INK = (240, 190, 100)
CELL, GAP, LABEL, HEAD, LINE = 192, 10, 108, 50, 17
SMALL, LARGE = 13, 19


@dataclass(frozen=True, slots=True, eq=False)
class Cell:
    """A picture and up to two lines below it."""

    pixels: Pixels
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Column:
    """A target age; years beyond those learned from, None where nobody knows."""

    age: float
    beyond: float | None

    @property
    def extrapolated(self) -> bool:
        """Whether no photo of the person is that young or that old."""
        return self.beyond is not None and self.beyond > 0


def strip(evaluation: Evaluation, source: str) -> Pixels:
    """One photo: a row for the input, each way and the truth, a column for each age asked for."""
    material = evaluation.material
    columns = columns_of(evaluation, source)
    photo = material.sources[source]
    own = Cell(photo.face(CELL), ("the photo" + _age(photo.age),))
    place = place_of(columns, photo.age)
    shown = [way for way in evaluation.ways if not way.control or way.name == TRUTH]
    lines = [
        ("input", [own if at == place else None for at in range(len(columns))]),
        *(
            (title(way.name), [_cell(evaluation, way, Task(source, c.age)) for c in columns])
            for way in shown
        ),
    ]
    return drawn(columns, lines)


def grid(evaluation: Evaluation, way: Method) -> Pixels:
    """One way: a row for each photo, a column for each age."""
    material = evaluation.material
    ages = sorted({task.target for task in way.portraits})
    columns = [Column(age, _beyond(evaluation, age)) for age in ages]
    sources = dict.fromkeys(task.source for task in material.tasks if task in way.portraits)
    return drawn(
        columns,
        [
            (
                material.sources[source].name,
                [_cell(evaluation, way, Task(source, age)) for age in ages],
            )
            for source in sources
        ],
    )


def columns_of(evaluation: Evaluation, source: str) -> list[Column]:
    """The ages that any way brought a photo to."""
    tasks = [task for task in evaluation.material.tasks if task.source == source]
    return [Column(task.target, _beyond(evaluation, task.target)) for task in tasks]


def place_of(columns: Sequence[Column], age: float | None) -> int:
    """The column that a photo stands in: that of its own age, or the first."""
    if age is None:
        return 0
    return int(np.abs([column.age - age for column in columns]).argmin())


def row_of(evaluation: Evaluation, way: Method, task: Task) -> Row:
    """What the judges told of a portrait."""
    rows = evaluation.report["rows"][way.name]
    here = (task.source[:12], task.target)
    return next(row for row in rows if (row["photo_sha256"], row["target"]) == here)


def best_source(evaluation: Evaluation) -> str:
    """The photo that most ways brought to most ages, the first of several."""
    material = evaluation.material
    counts = {
        source: sum(task.source == source for way in material.ways for task in way.portraits)
        for source in dict.fromkeys(task.source for task in material.tasks)
    }
    return max(counts, key=lambda source: counts[source])


def drawn(columns: Sequence[Column], lines: Sequence[tuple[str, Sequence[Cell | None]]]) -> Pixels:
    """Lay cells out under their ages; columns beyond the photos' ages are tinted and say so."""
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
            ink = BEYOND_INK
            draw.rectangle((left - GAP // 2, 0, left + CELL + GAP // 2 - 1, height), BEYOND)
            draw.text((left, 29), "extrapolated", BEYOND_INK, small)
        draw.text((left, 6), f"{column.age:g} years", ink, large)
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
                ink = FAINT if not columns[place].extrapolated else BEYOND_INK
                draw.text((left, top + CELL + 2 + number_of * LINE), words, ink, small)
    return np.asarray(sheet)


def caption(row: Row) -> tuple[str, ...]:
    """What the judges told, for a picture's caption."""
    told = [] if row["predicted_age"] is None else [f"looks {row['predicted_age']:.0f}"]
    told += [] if row["identity"] is None else [f"identity {number(row['identity'])}"]
    return tuple([", ".join(told)] if told else [])


def _cell(evaluation: Evaluation, way: Method, task: Task) -> Cell | None:
    if task not in way.portraits:
        return None
    row = row_of(evaluation, way, task)
    lines = caption(row)
    if way.name in (TRUTH, NOTHING) and row["predicted_age"] is not None:
        lines = (f"looks {row['predicted_age']:.0f}",)
    return Cell(way.portraits[task], lines)


def _beyond(evaluation: Evaluation, age: float) -> float | None:
    photos = evaluation.material.photos
    return None if photos is None else photos.beyond(age)


def _age(age: float | None) -> str:
    return "" if age is None else f", {age:g} years"


def _wrapped(name: str) -> str:
    return name.replace(" ", "\n") if len(name) > 11 else name
