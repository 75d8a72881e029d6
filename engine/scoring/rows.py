"""One row for every portrait: its figures by each evaluator, and their references."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.core.progress import Progress, reported
from engine.evaluators.identity import IdentityEvaluator, Person, Vectors
from engine.evaluators.suite import EvaluatorSuite, Measurements
from engine.evaluators.traits import sex_of
from engine.faces.rotation import Pixels
from engine.images.ranges import to_tensor
from engine.metrics.energy import BANDS, laplacian
from engine.scoring.material import COPIED, Material, Method, PersonPhotos, Task, at_side

AGE_TOLERANCE = 8.0
"""Years of error up to which an age counts as correct."""
KNOWN = "known"
EPSILON = 1e-9
BIN = 10
"""Years of the age bin around the target."""
RECONSTRUCTED = 2.5
"""Years between photo and target up to which a portrait is a reconstruction."""

Row = dict[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class References:
    """Measurements of the references, shared by all methods."""

    material: Material
    tasks: Mapping[Task, int]
    truth: Measurements | None
    truth_rows: Mapping[Task, int]
    photos: Measurements | None
    inputs: Measurements
    input_rows: Mapping[str, int]


def measure_references(material: Material, suite: EvaluatorSuite) -> References:
    """Measure the truth, the person's photos, and the photos that were aged."""
    with_truth = [task for task in material.tasks if task in material.truth]
    keys = list(material.sources)
    return References(
        material,
        {task: row for row, task in enumerate(material.tasks)},
        suite.measure([material.truth[task] for task in with_truth]) if with_truth else None,
        {task: row for row, task in enumerate(with_truth)},
        suite.measure(material.photos.pictures) if material.photos is not None else None,
        suite.measure([material.sources[key].face() for key in keys]),
        {key: row for row, key in enumerate(keys)},
    )


def measure_method(
    method: Method, references: References, suite: EvaluatorSuite, progress: Progress
) -> tuple[list[Row], Measurements]:
    """The rows of a method in the order of the tasks, and the measurements of its portraits.

    `identity` is to the truth where there is any, else to the person's photos of that age, else to
    the photo that was aged (`identity_to`); `impostor_distance`: d0, for evaluators that have one,
    of the people in `impostor_cell`; `sex_by`: who says the sex in that cell, `known` or a network;
    `gender_kept`: 1 where the gender network sees the same sex in portrait and photo;
    `age_identity_accuracy`: 1 where the age is within 8 years of the target and the portrait is
    verified against its reference; `verification_rate`: 1 where it is verified against the photo;
    `sharpness`: its energy of edges over the photo's. What cannot be measured is None.
    """
    material = references.material
    tasks = [task for task in references.tasks if task in method.portraits]
    with reported(progress, f"Evaluating {method.name}", len(tasks)):
        measured = suite.measure([method.portraits[task] for task in tasks])
        distances = _distances(method, tasks, material, suite)
        distances["sharpness"] = _sharpness(method, tasks, material)
        rows: list[Row] = []
        for at, task in enumerate(tasks):
            row = _row_of(method, task, material)
            row |= _age(measured, at, task, references, suite)
            row |= _gender(measured, at, task, references)
            row |= _identities(method, measured, at, task, references, suite)
            row |= {name: values.get(task) for name, values in distances.items()}
            row["age_identity_accuracy"] = _age_and_identity(row["age_error"], row["same_person"])
            rows.append(row)
            progress.advance(method.files.get(task, ""))
    return rows, measured


def _age_and_identity(age_error: float | None, same_person: bool | None) -> float | None:
    if age_error is None or same_person is None:
        return None
    return float(abs(age_error) <= AGE_TOLERANCE and same_person)


def _row_of(method: Method, task: Task, material: Material) -> Row:
    source, photos = material.sources[task.source], material.photos
    gap = material.gap(task)
    return {
        "photo": source.name,
        "photo_sha256": task.source[:12],
        "person": source.person,
        "photo_age": source.age,
        "target": task.target,
        "gap": gap,
        "extrapolated_years": None if photos is None else photos.extrapolation(task.target),
        "reconstruction": _is_reconstruction(gap),
        "file": method.files.get(task),
    }


def _age(
    measured: Measurements, at: int, task: Task, references: References, suite: EvaluatorSuite
) -> Row:
    first = suite.age_by
    if first is None:
        return dict.fromkeys(("predicted_age", "age_error", "age_gap", "bin_correct"))
    age = float(measured.ages[first][at])
    truth, true_age = references.truth, None
    if truth is not None and task in references.truth_rows:
        true_age = float(truth.ages[first][references.truth_rows[task]])
    others = {f"age by {name}": float(measured.ages[name][at]) for name in suite.ages_by[1:]}
    return {
        "predicted_age": age,
        "age_error": age - task.target,
        "age_gap": None if true_age is None else age - true_age,
        "bin_correct": float(abs(age - task.target) <= BIN / 2),
        **others,
    }


def _gender(measured: Measurements, at: int, task: Task, references: References) -> Row:
    before = references.inputs.male
    if measured.male is None or before is None:
        return {"male": None, "gender_kept": None}
    photo, own = float(before[references.input_rows[task.source]]), float(measured.male[at])
    return {"male": own, "gender_kept": float(sex_of(photo) == sex_of(own))}


def _person(task: Task, references: References, suite: EvaluatorSuite) -> tuple[Person, str | None]:
    """Who d0 is looked up for, and by whom the sex is known; of the photo, not of the portrait."""
    source, inputs = references.material.sources[task.source], references.inputs
    row = references.input_rows[task.source]
    sex, by = source.sex, None if source.sex is None else KNOWN
    if sex is None and inputs.male is not None:
        sex, by = sex_of(float(inputs.male[row])), suite.gender_by
    light = None if inputs.lightness is None else float(inputs.lightness[row])
    return Person(source.person, task.target, sex, light), by


def _identities(
    method: Method,
    measured: Measurements,
    at: int,
    task: Task,
    references: References,
    suite: EvaluatorSuite,
) -> Row:
    """Identity to every reference by the first evaluator, to the preferred one by the others."""
    person, sex_by = _person(task, references, suite)
    row: Row = {}
    for evaluator in suite.identities:
        own = measured.vectors[evaluator.name][at]
        similarities = _similarities(evaluator, own, method, task, references)
        to = _preferred(similarities, references)
        best = None if to is None else similarities[to]
        identity = None if best is None else evaluator.identity(best, person)
        if evaluator is suite.identity:
            row |= {"identity": identity, "identity_to": to, "similarity": best}
            row["same_person"] = None if best is None else best >= evaluator.threshold
            photo = similarities["photo"]
            row["verification_rate"] = (
                None if photo is None else float(photo >= evaluator.threshold)
            )
            impostors = evaluator.impostors(person)
            row["impostor_distance"] = None if impostors is None else impostors.distance
            row["impostor_cell"] = None if impostors is None else impostors.cell
            row["sex_by"] = sex_by
            for name, value in similarities.items():
                scaled = None if value is None else evaluator.identity(value, person)
                row[f"identity_to_{name}"] = scaled
        else:
            row[f"identity by {evaluator.name}"] = identity
    return row


def _preferred(similarities: Mapping[str, float | None], references: References) -> str | None:
    """The truth where any is known, None where that of this task is not."""
    if references.truth is not None:
        return "truth" if similarities["truth"] is not None else None
    return "photos" if similarities["photos"] is not None else "photo"


def _similarities(
    evaluator: IdentityEvaluator, own: Vectors, method: Method, task: Task, references: References
) -> dict[str, float | None]:
    """To the truth, to the photos of about that age (on average), and to the `photo` itself."""

    def to(vectors: Vectors) -> float:
        return float(evaluator.similarity(np.broadcast_to(own, vectors.shape), vectors).mean())

    truth, photos = references.truth, references.photos
    similarities: dict[str, float | None] = {"truth": None, "photos": None, "photo": None}
    if truth is not None and task in references.truth_rows:
        row = references.truth_rows[task]
        similarities["truth"] = to(truth.vectors[evaluator.name][row : row + 1])
    if photos is not None and references.material.photos is not None:
        rows = _photos_of_age(method, task, references.material.photos)
        similarities["photos"] = to(photos.vectors[evaluator.name][rows]) if rows else None
    row = references.input_rows[task.source]
    similarities["photo"] = to(references.inputs.vectors[evaluator.name][row : row + 1])
    return similarities


def _photos_of_age(method: Method, task: Task, photos: PersonPhotos) -> list[int]:
    """Without the photo that was aged, and without the one that the control `copied` shows."""
    without = {task.source}
    if method.control and method.name == COPIED:
        without.add(photos.digests[photos.nearest(task.target)])
    return photos.around(task.target, without=without)


def _distances(
    method: Method, tasks: Sequence[Task], material: Material, suite: EvaluatorSuite
) -> dict[str, dict[Task, float]]:
    """Each distance to the truth; of photographs, and of reconstructions, the perceptual one to the
    photo too.
    """
    distances: dict[str, dict[Task, float]] = {}
    known = [task for task in tasks if task in material.truth]
    truth = [material.truth[task] for task in known]
    again = [task for task in tasks if _is_reconstruction(material.gap(task))]
    photos = [at_side(material.sources[task.source].face(), material.side) for task in again]
    if suite.domain == "photos" and suite.perceptual is not None:
        before = [at_side(material.sources[task.source].face(), material.side) for task in tasks]
        distances["perceptual_to_photo"] = _distance(
            suite.perceptual, method, tasks, before, material.side, suite
        )
    for name in suite.distances:
        distances[name] = _distance(name, method, known, truth, material.side, suite)
        if name == suite.perceptual:
            own = _distance(name, method, again, photos, material.side, suite)
            distances["reconstruction_perceptual"] = own
    portraits = [at_side(method.portraits[task], material.side) for task in again]
    distances["reconstruction_l2"] = {
        task: _l2(one, other) for task, one, other in zip(again, portraits, photos, strict=True)
    }
    return distances


def _distance(
    name: str,
    method: Method,
    tasks: Sequence[Task],
    others: Sequence[Pixels],
    side: int,
    suite: EvaluatorSuite,
) -> dict[Task, float]:
    if not tasks:
        return {}
    portraits = [at_side(method.portraits[task], side) for task in tasks]
    values = suite.distance(name, portraits, [at_side(other, side) for other in others])
    return {task: float(value) for task, value in zip(tasks, values, strict=True)}


def _sharpness(method: Method, tasks: Sequence[Task], material: Material) -> dict[Task, float]:
    """Energy of the Laplacian over that of the photo, both at one side and without grain.

    Below 1 is blurrier than the photo (the variance of the Laplacian of the literature).
    """
    own = {key: _energy(at_side(s.face(), material.side)) for key, s in material.sources.items()}
    return {
        task: _energy(at_side(method.portraits[task], material.side))
        / max(own[task.source], EPSILON)
        for task in tasks
    }


def _energy(pixels: Pixels) -> float:
    return float(laplacian(to_tensor(pixels), BANDS["fine"]).square().mean())


def _l2(one: Pixels, other: Pixels) -> float:
    """Mean squared difference of pictures in [-1, 1]."""
    return float(np.square((one.astype(np.float64) - other) * (2 / 255)).mean())


def _is_reconstruction(gap: float | None) -> bool:
    return gap is not None and abs(gap) <= RECONSTRUCTED
