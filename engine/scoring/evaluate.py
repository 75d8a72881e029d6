"""Evaluate methods of ageing: from the material to the report."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np

from engine.core.progress import Progress
from engine.evaluators.suite import NO_FEATURES, EvaluatorSuite, Measurements
from engine.metrics.set_distances import RealSet, set_distances
from engine.scoring.material import COPIED, NOTHING, Material, Method, controls
from engine.scoring.paired import paired
from engine.scoring.recognition import real_pairs, verification
from engine.scoring.rows import References, Row, measure_method, measure_references
from engine.scoring.summary import by_gap, by_target, figures

DIGITS = 6
RESERVED = (
    "kind", "name", "methods", "subject", "people", "minutes", "device", "domain", "evaluators",
    "controls", "paired", "rows", "real_pairs", "photos", "null", "same_tasks",
    "targets_estimated", "unused", "reference", "made_by", "same_pictures", "unnamed_photos",
)  # fmt: skip
"""Keys of a report that no method may be named by."""


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """A report, and the pictures it is about."""

    report: dict[str, Any]
    material: Material
    methods: tuple[Method, ...]
    """The methods of the material, then the controls."""


def evaluate_methods(
    material: Material,
    suite: EvaluatorSuite,
    progress: Progress,
    *,
    subject: str | None,
    device: str,
) -> Evaluation:
    """Evaluate every method and every control.

    Everything is compared at one side (`Material.at_one_side`). The figures of a method have its
    name as their key; so has the control `copied`, where there are photos of the person, and the
    others are under `controls`. subject: the method of gates that name none.
    """
    resized = material.at_one_side()
    methods = (*resized.methods, *controls(resized))
    _measure_all(resized, methods, suite, progress)
    references = measure_references(resized, suite)
    impostors = suite.measure(resized.impostors) if resized.impostors else None
    real = _real(references, suite)
    by_method: dict[str, dict[str, Any]] = {}
    rows: dict[str, list[Row]] = {}
    for method in methods:
        own, measured = measure_method(method, references, suite, progress)
        result = figures(own, suite)
        result["verification"] = _verification(own, measured, impostors, suite)
        if not method.control:
            result |= _sets(measured, real, suite)
        result["by_target"] = by_target(own, suite, decades=material.by_pairs)
        result["by_gap"] = by_gap(own, suite)
        rows[method.name], by_method[method.name] = own, result
    names = [method.name for method in material.methods]
    top = [*names, *([COPIED] if COPIED in by_method else [])]
    same = same_pictures(material.methods)
    compared = [name for name in (*top, NOTHING) if name not in same]
    report: dict[str, Any] = {
        "made_by": f"tm {version('tm-toolkit')}",
        "kind": "portraits",
        "name": material.name,
        **{name: by_method[name] for name in top},
        "people": material.people,
        "unnamed_photos": material.unnamed,
        "device": device,
        "domain": suite.domain,
        "methods": names,
        "subject": subject,
        "same_tasks": len({frozenset(method.portraits) for method in material.methods}) == 1,
        "photos": _photos(material),
        "reference": material.reference,
        "targets_estimated": len(material.estimated),
        "evaluators": _evaluators(suite, material),
        "same_pictures": same,
        "paired": paired({name: rows[name] for name in compared}, suite),
        "real_pairs": real_pairs(references, suite.identity),
        "controls": {name: value for name, value in by_method.items() if name not in top},
        "rows": rows,
    }
    return Evaluation(plain(report), material, (*material.methods, *controls(material)))


def same_pictures(methods: Sequence[Method]) -> dict[str, str]:
    """Methods whose every portrait is that of an earlier one: later name to earlier name.

    Of two models that are one, such as a one-shot that gained nothing and delivers what it began
    from, the second is no second result.
    """
    same: dict[str, str] = {}
    for at, method in enumerate(methods):
        for earlier in methods[:at]:
            if earlier.portraits.keys() == method.portraits.keys() and all(
                np.array_equal(pixels, earlier.portraits[task])
                for task, pixels in method.portraits.items()
            ):
                same[method.name] = earlier.name
                break
    return same


def _measure_all(
    material: Material, methods: Sequence[Method], suite: EvaluatorSuite, progress: Progress
) -> None:
    """Measure all pictures in one call, which uses several processes."""
    pictures = [pixels for method in methods for pixels in method.portraits.values()]
    pictures += [*material.truth.values(), *material.impostors]
    pictures += [source.face() for source in material.sources.values()]
    if material.photos is not None:
        pictures += material.photos.pictures
    suite.measure(pictures, progress)


def _verification(
    rows: list[Row], measured: Measurements, impostors: Measurements | None, suite: EvaluatorSuite
) -> Any:
    evaluator = suite.identity
    others = None if impostors is None else impostors.vectors[evaluator.name]
    at = [i for i, row in enumerate(rows) if row["similarity"] is not None]
    similarity = [rows[i]["similarity"] for i in at]
    return verification(similarity, measured.vectors[evaluator.name][at], others, evaluator)


def _sets(measured: Measurements, real: RealSet | None, suite: EvaluatorSuite) -> dict[str, Any]:
    if real is not None and measured.features is not None:
        return {"sets": set_distances(measured.features, real)}
    return {"sets": {"why_null": NO_FEATURES}} if suite.extractor is None else {}


def _real(references: References, suite: EvaluatorSuite) -> RealSet | None:
    """The photos of the person, else the truth, else the photographs that were aged."""
    if suite.extractor is None:
        return None
    photos, truth, inputs = references.photos, references.truth, references.inputs
    if photos is not None and photos.features is not None:
        return RealSet(photos.features, suite.extractor, "photos")
    if truth is not None and truth.features is not None:
        order = np.argsort([task.target for task in references.truth_rows], kind="stable")
        return RealSet(truth.features[order], suite.extractor, "truth")
    if suite.domain == "photos" and inputs.features is not None:
        return RealSet(inputs.features, suite.extractor, "the photographs compared with")
    return None


def _photos(material: Material) -> dict[str, Any] | None:
    photos = material.photos
    if photos is None:
        return None
    low, high = photos.span
    return {"count": len(photos.ages), "youngest": low, "oldest": high}


def _evaluators(suite: EvaluatorSuite, material: Material) -> dict[str, Any]:
    return {
        "identity": suite.identity.name,
        "identity_about": suite.identity.about,
        "identity_threshold": abs(suite.identity.threshold),
        "perceptual": suite.perceptual,
        "age": suite.age_by,
        "ages": suite.ages_by,
        "gender": suite.gender_by,
        "others": [evaluator.name for evaluator in suite.identities[1:]]
        + [name for name in suite.distances if name != suite.perceptual],
        "compared_at_px": material.side,
        "compared_at": "smallest" if material.compared_at is None else "median",
        "shrunk": _shrunk(material),
    }


def _shrunk(material: Material) -> bool:
    """Whether any picture is larger than the side of the comparison."""
    side, photos = material.side, material.photos
    pictures = [pixels for method in material.methods for pixels in method.portraits.values()]
    pictures += [*material.truth.values(), *(photos.pictures if photos is not None else ())]
    pictures += [source.face() for source in material.sources.values()]
    return any(len(pixels) > side for pixels in pictures)


def plain(value: Any) -> Any:
    """Values for JSON: floats rounded, NaN and infinity as null."""
    if isinstance(value, dict):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, float):
        return round(value, DIGITS) if np.isfinite(value) else None
    return value
