"""The report's pictures: every photo in all ways and ages, and the worst portraits."""

from typing import Any

from engine.scoring.evaluate import Evaluation
from engine.scoring.markup import Html, joined, picture, scrolled, tag
from engine.scoring.material import TRUTH, Method, Task
from engine.scoring.rows import RIGHT_AGE, Row
from engine.scoring.strip import Column, caption, columns_of, place_of, row_of
from engine.scoring.words import number, title

WORST = 8
MOST_PHOTOS = 12
"""Photos shown; a page of hundreds would be none."""


def albums(evaluation: Evaluation) -> Html:
    """A table of pictures for each photo, rows are ways and columns ages; of one way one for all.

    Where the truth is known it stands below the ways.
    """
    sources = list(dict.fromkeys(task.source for task in evaluation.material.tasks))
    first, *others = evaluation.material.ways
    if others or evaluation.material.truth:
        shown = joined(_album(evaluation, source) for source in sources[:MOST_PHOTOS])
    else:
        shown = _photos(evaluation, first, sources[:MOST_PHOTOS])
    if len(sources) <= MOST_PHOTOS:
        return shown
    left = tag("p", f"{len(sources) - MOST_PHOTOS} further photos are in the grids beside.")
    return joined([shown, left])


def worst_cases(evaluation: Evaluation) -> Html:
    """Portraits that went most wrong, the worst first, each beside what it was compared with."""
    rows = [
        (_badness(row), way, row)
        for way in evaluation.ways
        if not way.control
        for row in evaluation.report["rows"][way.name]
        if row["predicted_age"] is not None or row["identity"] is not None
    ]
    rows.sort(key=lambda told: -told[0])
    cases = joined(_case(evaluation, way, row) for _, way, row in rows[:WORST])
    return tag("div", cases, class_="worst")


def _album(evaluation: Evaluation, source: str) -> Html:
    photo = evaluation.material.sources[source]
    columns = columns_of(evaluation, source)
    heads = joined(_head(column) for column in columns)
    shown = [way for way in evaluation.ways if not way.control or way.name == TRUTH]
    lines = joined(
        tag(
            "tr",
            tag("th", title(way.name), scope="row"),
            *(_cell(evaluation, way, Task(source, c.age), c) for c in columns),
        )
        for way in shown
    )
    age = "" if photo.age is None else f", {photo.age:g} years"
    label = f"{photo.name}{age}"
    face = tag("figure", picture(photo.face(264), f"the photo {photo.name}"))
    place = place_of(columns, photo.age)
    inputs = (
        tag("td", face if at == place else "", class_="beyond" if column.extrapolated else "")
        for at, column in enumerate(columns)
    )
    first = tag("tr", tag("th", "input", scope="row"), *inputs)
    content = joined(
        [tag("thead", tag("tr", tag("th", ""), heads)), tag("tbody", joined([first, lines]))]
    )
    heading = tag("h3", label, class_="photo-title")
    return joined(
        [heading, scrolled(tag("table", content, class_="album"), f"portraits of {label}")]
    )


def _photos(evaluation: Evaluation, way: Method, sources: list[str]) -> Html:
    """A row for each photo, itself first, and what one way made of it at every age."""
    material = evaluation.material
    columns = {
        column.age: column for source in sources for column in columns_of(evaluation, source)
    }
    ages = sorted(columns)
    lines: list[Html] = []
    for source in sources:
        photo = material.sources[source]
        age = "" if photo.age is None else f"{photo.age:g} years"
        face = tag("figure", picture(photo.face(264), f"the photo {photo.name}"))
        cells = (_cell(evaluation, way, Task(source, a), columns[a]) for a in ages)
        name = joined([photo.name, tag("small", age)])
        lines.append(tag("tr", tag("th", name, scope="row"), tag("td", face), *cells))
    heads = joined(_head(columns[age]) for age in ages)
    head = tag("thead", tag("tr", tag("th", ""), tag("th", "input", scope="col"), heads))
    content = tag("table", head, tag("tbody", *lines), class_="album")
    return scrolled(content, f"portraits by {title(way.name)}")


def _head(column: Column) -> Html:
    if not column.extrapolated:
        return tag("th", f"{column.age:g}", scope="col")
    mark = tag("small", "extrapolated")
    return tag("th", f"{column.age:g} ", mark, scope="col", class_="beyond")


def _cell(evaluation: Evaluation, way: Method, task: Task, column: Column) -> Html:
    kind = "beyond" if column.extrapolated else ""
    if task not in way.portraits:
        return tag("td", tag("div", "", class_="none"), class_=kind)
    row = row_of(evaluation, way, task)
    words = caption(row) if way.name != TRUTH else caption({**row, "identity": None})
    alt = f"{title(way.name)} at {task.target:g}"
    shown = picture(way.portraits[task], alt)
    lines = Html("<br>").join(part for line in words for part in line.split(", "))
    return tag("td", tag("figure", shown, tag("figcaption", Html(lines))), class_=kind)


def _badness(row: Row) -> float:
    """Years off in units of what is right, and what is missing of the identity."""
    error = 0.0 if row["age_error"] is None else abs(row["age_error"]) / RIGHT_AGE
    missing = 0.0 if row["identity"] is None else 1 - row["identity"]
    return error + missing


def _case(evaluation: Evaluation, way: Method, row: Row) -> Html:
    material = evaluation.material
    source = next(key for key in material.sources if key.startswith(row["photo_sha256"]))
    task = Task(source, row["target"])
    beside, what = material.truth.get(task), "the truth"
    if beside is None:
        beside, what = material.sources[source].face(264), "the photo"
    pair = [
        picture(way.portraits[task], f"{title(way.name)} at {task.target:g}"),
        picture(beside, what),
    ]
    words = tag(
        "figcaption",
        tag("b", f"{title(way.name)}, {row['photo']} at {task.target:g}"),
        Html("<br>"),
        _fault(row),
        f" Beside it: {what}.",
    )
    return tag("figure", tag("div", *pair), words, class_="case")


def _fault(row: dict[str, Any]) -> str:
    told: list[str] = []
    if row["age_error"] is not None:
        years = (
            f"{abs(row['age_error']):.0f} years too {'old' if row['age_error'] > 0 else 'young'}"
        )
        told.append(f"Looks {row['predicted_age']:.0f}, {years}.")
    if row["identity"] is not None:
        told.append(f"Identity {number(row['identity'])}.")
    return " ".join(told)
