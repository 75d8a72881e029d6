"""The report's pictures: every photo by all methods and ages, and the worst portraits."""

from typing import Any

from engine.scoring.evaluate import Evaluation
from engine.scoring.markup import Html, joined, picture, scrolled, tag
from engine.scoring.material import TRUTH, Method, Task
from engine.scoring.rows import AGE_TOLERANCE, Row
from engine.scoring.strip import MOST_ROWS, Column, caption, columns_of, place_of, row_of, tasks_of
from engine.scoring.words import number, title

WORST = 8
MOST_PHOTOS = 12
"""Photos shown on the page."""


def albums(evaluation: Evaluation) -> Html:
    """A table of pictures for each photo: rows are methods and the truth, columns ages.

    For one method without truth, one table whose rows are the photos.
    """
    sources = list(dict.fromkeys(task.source for task in evaluation.material.tasks))
    first, *others = evaluation.material.methods
    if others or evaluation.material.truth:
        shown = joined(_album(evaluation, source) for source in sources[:MOST_PHOTOS])
    else:
        shown = _photos(evaluation, first, sources[:MOST_PHOTOS])
    if len(sources) <= MOST_PHOTOS:
        return shown
    drawn = min(len(sources), MOST_ROWS) - MOST_PHOTOS
    left = tag("p", f"{drawn} further photos are in the grid files.")
    if len(sources) > MOST_ROWS:
        words = f"The next {drawn} photos are in the grid files, the figures of all in report.json."
        left = tag("p", words)
    return joined([shown, left])


def worst_cases(evaluation: Evaluation) -> Html:
    """The portraits of largest error, the worst first, each beside its reference."""
    rows = [
        (_error_score(row), method, row)
        for method in evaluation.methods
        if not method.control
        for row in evaluation.report["rows"][method.name]
        if row["predicted_age"] is not None or row["identity"] is not None
    ]
    rows.sort(key=lambda scored: -scored[0])
    cases = joined(_case(evaluation, method, row) for _, method, row in rows[:WORST])
    return tag("div", cases, class_="worst")


def _album(evaluation: Evaluation, source: str) -> Html:
    photo = evaluation.material.sources[source]
    columns = columns_of(evaluation, source)
    heads = joined(_head(column) for column in columns)
    shown = [method for method in evaluation.methods if not method.control or method.name == TRUTH]
    lines = joined(
        tag(
            "tr",
            tag("th", title(method.name), scope="row"),
            *(_cell(evaluation, method, Task(source, c.age), c) for c in columns),
        )
        for method in shown
    )
    age = "" if photo.age is None else f", {photo.age:g} years"
    label = f"{photo.name}{age}"
    face = tag("figure", picture(photo.face(264), f"the photo {photo.name}"))
    place = place_of(columns, photo.age)
    inputs = (
        tag("td", face if at == place else "", class_="extrapolated" if column.extrapolated else "")
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


def _photos(evaluation: Evaluation, method: Method, sources: list[str]) -> Html:
    """A row for each photo: itself, then its portraits by one method at every age.

    Of photographs of many ages, each stands beside its own portraits.
    """
    material = evaluation.material
    own = tasks_of(evaluation, method)
    many = material.by_pairs
    columns = {
        column.age: column for source in sources for column in columns_of(evaluation, source)
    }
    ages = sorted(columns)
    lines: list[Html] = []
    for source in sources:
        photo = material.sources[source]
        age = "" if photo.age is None else f"{photo.age:g} years"
        face = tag("figure", picture(photo.face(264), f"the photo {photo.name}"))
        tasks = own.get(source, []) if many else [Task(source, a) for a in ages]
        cells = (_cell(evaluation, method, task, columns[task.target], at=many) for task in tasks)
        name = joined([photo.name, tag("small", age)])
        lines.append(tag("tr", tag("th", name, scope="row"), tag("td", face), *cells))
    heads = tag("th", "portraits") if many else joined(_head(columns[age]) for age in ages)
    head = tag("thead", tag("tr", tag("th", ""), tag("th", "input", scope="col"), heads))
    content = tag("table", head, tag("tbody", *lines), class_="album")
    return scrolled(content, f"portraits by {title(method.name)}")


def _head(column: Column) -> Html:
    if not column.extrapolated:
        return tag("th", f"{column.age:g}", scope="col")
    mark = tag("small", "extrapolated")
    return tag("th", f"{column.age:g} ", mark, scope="col", class_="extrapolated")


def _cell(
    evaluation: Evaluation, method: Method, task: Task, column: Column, *, at: bool = False
) -> Html:
    """at: whether its target age stands below it, too."""
    kind = "extrapolated" if column.extrapolated else ""
    if task not in method.portraits:
        return tag("td", tag("div", "", class_="none"), class_=kind)
    row = row_of(evaluation, method, task)
    words = caption(row) if method.name != TRUTH else caption({**row, "identity": None})
    words = (f"at {task.target:g}", *words) if at else words
    alt = f"{title(method.name)} at {task.target:g}"
    shown = picture(method.portraits[task], alt)
    lines = Html("<br>").join(part for line in words for part in line.split(", "))
    return tag("td", tag("figure", shown, tag("figcaption", Html(lines))), class_=kind)


def _error_score(row: Row) -> float:
    """Age error in units of the tolerance, plus 1 - identity."""
    error = 0.0 if row["age_error"] is None else abs(row["age_error"]) / AGE_TOLERANCE
    dissimilarity = 0.0 if row["identity"] is None else 1 - row["identity"]
    return error + dissimilarity


def _case(evaluation: Evaluation, method: Method, row: Row) -> Html:
    material = evaluation.material
    source = next(key for key in material.sources if key.startswith(row["photo_sha256"]))
    task = Task(source, row["target"])
    reference, what = material.truth.get(task), "the truth"
    if reference is None:
        reference, what = material.sources[source].face(264), "the photo"
    pair = [
        picture(method.portraits[task], f"{title(method.name)} at {task.target:g}"),
        picture(reference, what),
    ]
    words = tag(
        "figcaption",
        tag("b", f"{title(method.name)}, {row['photo']} at {task.target:g}"),
        Html("<br>"),
        _errors(row),
        f" Right: {what}.",
    )
    return tag("figure", tag("div", *pair), words, class_="case")


def _errors(row: dict[str, Any]) -> str:
    sentences: list[str] = []
    if row["age_error"] is not None:
        years = (
            f"{abs(row['age_error']):.0f} years too {'old' if row['age_error'] > 0 else 'young'}"
        )
        sentences.append(f"Age {row['predicted_age']:.0f}, {years}.")
    if row["identity"] is not None:
        sentences.append(f"Identity {number(row['identity'])}.")
    return " ".join(sentences)
