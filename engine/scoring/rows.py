"""One row for every portrait: what each judge makes of it, and against what."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.core.progress import Progress, reported
from engine.evaluators.suite import IdentityJudge, Panel, Seen, Vectors
from engine.faces.rotation import Pixels
from engine.images.ranges import to_tensor
from engine.metrics.energy import BANDS, laplacian
from engine.scoring.material import COPIED, Material, Method, PersonPhotos, Task, at_side

RIGHT_AGE = 8.0
"""Years of error up to which an age is right."""
FAINT = 1e-9
BIN = 10
"""Years of a bin of ages, the target at its middle."""
RECONSTRUCTED = 2.5
"""Years up to which ageing a photo is no more than making it again."""

Row = dict[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class References:
    """What portraits are compared with, looked at once for all ways."""

    material: Material
    tasks: Mapping[Task, int]
    truth: Seen | None
    truth_rows: Mapping[Task, int]
    photos: Seen | None
    inputs: Seen
    input_rows: Mapping[str, int]


def looked_at(material: Material, panel: Panel) -> References:
    """Look at the truth, at the person's photos and at the photos that were aged."""
    with_truth = [task for task in material.tasks if task in material.truth]
    keys = list(material.sources)
    return References(
        material,
        {task: row for row, task in enumerate(material.tasks)},
        panel.see([material.truth[task] for task in with_truth]) if with_truth else None,
        {task: row for row, task in enumerate(with_truth)},
        panel.see(material.photos.pictures) if material.photos is not None else None,
        panel.see([material.sources[key].face() for key in keys]),
        {key: row for row, key in enumerate(keys)},
    )


def examined(
    way: Method, references: References, panel: Panel, progress: Progress
) -> tuple[list[Row], Seen]:
    """The rows of a way in the order of the tasks, and its portraits as the judges see them.

    `identity` is to the truth where there is any, else to the person's photos of that age, else to
    the photo that was aged (`identity_to`); `strangers`: d0, where the judge has one; `right`: 1
    where the age is within 8 years of the target and the judge of identity takes both for one
    person; `known_again`: 1 where it takes the portrait and the photo for one; `sharpness`: the
    portrait's energy of edges over the photo's. What cannot be measured is None.
    """
    material = references.material
    tasks = [task for task in references.tasks if task in way.portraits]
    with reported(progress, f"Judging {way.name}", len(tasks)):
        seen = panel.see([way.portraits[task] for task in tasks])
        apart = _distances(way, tasks, material, panel)
        apart["sharpness"] = _sharpness(way, tasks, material)
        rows: list[Row] = []
        for at, task in enumerate(tasks):
            row = _row_of(way, task, material)
            row |= _age(seen, at, task, references)
            row |= _identities(way, seen, at, task, references, panel)
            row |= {name: values.get(task) for name, values in apart.items()}
            row["right"] = _right(row["age_error"], row["same"])
            rows.append(row)
            progress.advance(way.files.get(task, ""))
    return rows, seen


def _right(age_error: float | None, same: bool | None) -> float | None:
    if age_error is None or same is None:
        return None
    return float(abs(age_error) <= RIGHT_AGE and same)


def _row_of(way: Method, task: Task, material: Material) -> Row:
    source, photos = material.sources[task.source], material.photos
    gap = material.gap(task)
    return {
        "photo": source.name,
        "photo_sha256": task.source[:12],
        "person": source.person,
        "photo_age": source.age,
        "target": task.target,
        "gap": gap,
        "beyond": None if photos is None else photos.beyond(task.target),
        "reconstruction": _is_reconstruction(gap),
        "file": way.files.get(task),
    }


def _age(seen: Seen, at: int, task: Task, references: References) -> Row:
    if seen.years is None:
        return dict.fromkeys(("predicted_age", "age_error", "age_gap", "bin_right"))
    told = float(seen.years[at])
    truth, own = references.truth, None
    if truth is not None and truth.years is not None and task in references.truth_rows:
        own = float(truth.years[references.truth_rows[task]])
    return {
        "predicted_age": told,
        "age_error": told - task.target,
        "age_gap": None if own is None else told - own,
        "bin_right": float(abs(told - task.target) <= BIN / 2),
    }


def _identities(
    way: Method, seen: Seen, at: int, task: Task, references: References, panel: Panel
) -> Row:
    """Closeness to every reference by the first judge, and to the best of them by the others."""
    person = references.material.sources[task.source].person
    row: Row = {}
    for judge in panel.identities:
        own = seen.vectors[judge.name][at]
        found = _closeness(judge, own, way, task, references)
        to = _best(found, references)
        best = None if to is None else found[to]
        told = None if best is None else judge.identity(best, person, task.target)
        if judge is panel.identity:
            row |= {"identity": told, "identity_to": to, "closeness": best}
            row["same"] = None if best is None else best >= judge.limit
            photo = found["photo"]
            row["known_again"] = None if photo is None else float(photo >= judge.limit)
            row["strangers"] = judge.strangers(person, task.target)
            for name, value in found.items():
                scaled = None if value is None else judge.identity(value, person, task.target)
                row[f"identity_to_{name}"] = scaled
        else:
            row[f"identity by {judge.name}"] = told
    return row


def _best(found: Mapping[str, float | None], references: References) -> str | None:
    """The truth where any is known, and nothing in its place where this one is not."""
    if references.truth is not None:
        return "truth" if found["truth"] is not None else None
    return "photos" if found["photos"] is not None else "photo"


def _closeness(
    judge: IdentityJudge, own: Vectors, way: Method, task: Task, references: References
) -> dict[str, float | None]:
    """To the truth, to the photos of about that age (on average), and to the `photo` itself."""

    def to(vectors: Vectors) -> float:
        return float(judge.closeness(np.broadcast_to(own, vectors.shape), vectors).mean())

    truth, photos = references.truth, references.photos
    told: dict[str, float | None] = {"truth": None, "photos": None, "photo": None}
    if truth is not None and task in references.truth_rows:
        row = references.truth_rows[task]
        told["truth"] = to(truth.vectors[judge.name][row : row + 1])
    if photos is not None and references.material.photos is not None:
        rows = _of_that_age(way, task, references.material.photos)
        told["photos"] = to(photos.vectors[judge.name][rows]) if rows else None
    row = references.input_rows[task.source]
    told["photo"] = to(references.inputs.vectors[judge.name][row : row + 1])
    return told


def _of_that_age(way: Method, task: Task, photos: PersonPhotos) -> list[int]:
    """Neither the photo that was aged nor one shown as a portrait stands for itself."""
    without = {task.source}
    if way.control and way.name == COPIED:
        without.add(photos.digests[photos.nearest(task.target)])
    return photos.around(task.target, without=without)


def _distances(
    way: Method, tasks: Sequence[Task], material: Material, panel: Panel
) -> dict[str, dict[Task, float]]:
    """Each distance to the truth; those of portraits at the photo's own age to the photo too."""
    told: dict[str, dict[Task, float]] = {}
    known = [task for task in tasks if task in material.truth]
    truth = [material.truth[task] for task in known]
    again = [task for task in tasks if _is_reconstruction(material.gap(task))]
    photos = [at_side(material.sources[task.source].face(), material.side) for task in again]
    for name in panel.distances:
        told[name] = _apart(name, way, known, truth, material.side, panel)
        if name == panel.perceptual:
            own = _apart(name, way, again, photos, material.side, panel)
            told["reconstruction_perceptual"] = own
    ours = [at_side(way.portraits[task], material.side) for task in again]
    told["reconstruction_l2"] = {
        task: _l2(one, other) for task, one, other in zip(again, ours, photos, strict=True)
    }
    return told


def _apart(
    name: str, way: Method, tasks: Sequence[Task], others: Sequence[Pixels], side: int, panel: Panel
) -> dict[Task, float]:
    if not tasks:
        return {}
    ours = [at_side(way.portraits[task], side) for task in tasks]
    values = panel.apart(name, ours, [at_side(other, side) for other in others])
    return {task: float(value) for task, value in zip(tasks, values, strict=True)}


def _sharpness(way: Method, tasks: Sequence[Task], material: Material) -> dict[Task, float]:
    """Energy of the Laplacian over that of the photo, both at one side and without grain.

    The blur of the literature's tables (variance of the Laplacian), by which 1 is no blurrier.
    """
    own = {key: _energy(at_side(s.face(), material.side)) for key, s in material.sources.items()}
    return {
        task: _energy(at_side(way.portraits[task], material.side)) / max(own[task.source], FAINT)
        for task in tasks
    }


def _energy(pixels: Pixels) -> float:
    return float(laplacian(to_tensor(pixels), BANDS["fine"]).square().mean())


def _l2(one: Pixels, other: Pixels) -> float:
    """Mean square of the difference, pictures in [-1, 1]."""
    return float(np.square((one.astype(np.float64) - other) * (2 / 255)).mean())


def _is_reconstruction(gap: float | None) -> bool:
    return gap is not None and abs(gap) <= RECONSTRUCTED
