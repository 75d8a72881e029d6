"""The evaluation of landscape generators on held-out scenes, and the acceptance table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from engine.core.progress import Progress, reported
from engine.data.landscapes import Landscapes
from engine.landscapes.inference.batches import generate_in_batches, tiled, va_grid
from engine.landscapes.metrics.evaluation import (
    FITTED,
    FULL,
    Effort,
    LandscapeMetrics,
    fixed_noise,
    mean_ccc,
    spread_over,
)
from engine.landscapes.metrics.features import NAME
from engine.landscapes.metrics.recoloured import Recolouring
from engine.landscapes.metrics.red_flags import CAUSES
from engine.landscapes.metrics.structure import NAME as STRUCTURE_RIDGE
from engine.landscapes.metrics.structure import StructureMetrics
from engine.landscapes.metrics.va_regression import VaPredictor
from engine.landscapes.nets.eru import SCALE_HIGH
from engine.landscapes.nets.generator import LandscapeGenerator, eru_statistics
from engine.landscapes.nets.structure import StructureEvaluator
from engine.scoring.evaluate import plain

GRID, REPEATED = 6, 8
LARGE = 128
"""Size in px from which the stricter limits hold."""
MIN_CORRELATION = 0.15
"""Rank correlation of photos from which a generator must have one of the same sign, and concordance
of real structure with the mood from which a generator must show it."""
BASELINES = ("one scene recoloured", "scenes recoloured")
"""Generators that draw nothing: a scene, or any, in the colours of the mood asked for."""
BASELINE_LATENT = 8


@dataclass(frozen=True, slots=True, eq=False)
class EvaluatedRun:
    """A generator to evaluate; warm_start: whether it is an autoencoder's decoder only."""

    name: str
    generator: LandscapeGenerator
    sha256: str
    warm_start: bool


@dataclass(frozen=True, slots=True, eq=False)
class EvaluationMaterial:
    """The generators to evaluate, and the landscapes and the VA predictor to evaluate them with."""

    runs: Sequence[EvaluatedRun]
    train: Landscapes
    test: Landscapes
    predictor: VaPredictor
    evaluated_by: str
    photos: bool
    """Whether the landscapes are rated photos instead of rendered scenes."""
    structure: tuple[str, StructureEvaluator] | None = None
    """The network that reads structure and its name; a ridge regression if absent."""


@dataclass(frozen=True, slots=True, eq=False)
class LandscapeEvaluation:
    """A report, and a sheet of images for each generator and for the real landscapes."""

    report: dict[str, Any]
    sheets: Mapping[str, np.ndarray]


class Row(NamedTuple):
    """One line of the acceptance table; passed is None if the value could not be measured."""

    row: int
    measure: str
    value: float | None
    limit: str
    passed: bool | None
    why_null: str | None = None


class Limits(NamedTuple):
    """The limits of the acceptance table for one kind of landscapes."""

    name: str
    ccc: tuple[float, float]
    mae: tuple[float, float]
    warm_start_share: float
    """Largest share of the warm start's Frechet distance."""
    va_diversity: float
    latent_diversity: float
    copies: float
    correlations: Mapping[str, float]
    structure: float = 0.5
    """Least share of the concordance that the structure of real landscapes has with their mood."""
    structure_diversity: float = 0.6
    kinds: float = 0.5
    """Least share of the real scenes' kinds that a generator draws at one mood."""


COLOURS = {"valence_luma": 0.95, "valence_chroma": 0.85, "valence_warmth": 0.85}
SMALL = Limits(
    "rendered landscapes below 128 px", (0.80, 0.70), (0.10, 0.12), 0.25, 0.7, 0.5, 0.02,
    COLOURS | {"arousal_contrast": 0.85, "arousal_edges": 0.85},
)  # fmt: skip
FINE = Limits(
    "rendered landscapes of 128 px and more", (0.90, 0.80), (0.07, 0.09), 0.15, 0.8, 0.6, 0.02,
    COLOURS | {"arousal_contrast": 0.9, "arousal_edges": 0.9},
)  # fmt: skip
CEILING_CCC, CEILING_MAE = 0.6, 1.3
"""Limits for photos, relative to the predictor's own concordance and error on them."""
PHOTOS = Limits("rated photos", (0.0, 0.0), (1.0, 1.0), 0.0, 0.5, 0.6, 0.05, {})


def evaluate_landscapes(
    material: EvaluationMaterial, device: torch.device, progress: Progress, effort: Effort = FULL
) -> LandscapeEvaluation:
    """Evaluate every generator; the first is the subject, which is compared with the others."""
    metrics = LandscapeMetrics.of(material.train, material.test, material.predictor, effort)
    size = material.runs[0].generator.spec.size
    limits = PHOTOS if material.photos else FINE if size >= LARGE else SMALL
    read_by, evaluator = material.structure or (STRUCTURE_RIDGE, None)
    structure = StructureMetrics.of(material.train, material.test, effort, evaluator)
    results: dict[str, dict[str, Any]] = {}
    sheets = {"real": tiled(_real_grid(material.test), GRID)}
    with reported(progress, "Evaluating", len(material.runs)):
        for run in material.runs:
            results[run.name], sheets[run.name] = _evaluated(run, metrics, structure, device)
            progress.advance(run.name)
    first, *others = material.runs
    for run in material.runs:
        compared = [(other, results[other.name]) for other in others] if run is first else []
        table = acceptance(results[run.name], metrics, structure, limits, compared)
        results[run.name] |= _said(table)
    report: dict[str, Any] = {
        "made_by": f"tm {version('tm-toolkit')}",
        "kind": "landscapes",
        "name": " and ".join(results),
        **results,
        "methods": list(results),
        "subject": first.name,
        "limits": limits.name,
        "images": len(metrics.va),
        "size": size,
        "device": device.type,
        "evaluated_by": {
            "valence_arousal": material.evaluated_by,
            "structure": read_by,
            "features": NAME,
        },
        "baselines": _baselines(material.train, metrics, structure, limits),
        "ceiling": metrics.ceiling | structure.ceiling,
        "floor": metrics.floor,
        "real_correlations": metrics.correlations,
    }
    return LandscapeEvaluation(plain(report), sheets)


def acceptance(
    result: Mapping[str, Any],
    metrics: LandscapeMetrics,
    structure: StructureMetrics,
    limits: Limits,
    others: Sequence[tuple[EvaluatedRun, Mapping[str, Any]]],
) -> list[Row]:
    """The acceptance table of a generator."""
    rows: list[Row] = []
    for axis, name in enumerate(("valence", "arousal")):
        ccc, mae = limits.ccc[axis], limits.mae[axis]
        if limits is PHOTOS:
            ccc = CEILING_CCC * metrics.ceiling[f"ccc_{name}"]
            mae = CEILING_MAE * metrics.ceiling[f"mae_{name}"]
        rows.append(_at_least(1, f"ccc_{name}", result, ccc))
        rows.append(_at_most(2, f"mae_{name}", result, mae))
    rows.append(_warm_start_share(result, limits, others))
    rows.append(_at_least(4, "va_diversity", result, limits.va_diversity))
    rows.append(_at_least(5, "latent_diversity", result, limits.latent_diversity))
    rows += [_correlation(name, result, metrics, limits) for name in metrics.correlations]
    rows.append(_at_most(8, "red_flags", result, 0))
    rows.append(_gamma(result))
    rows.append(_at_most(10, "copies", result, limits.copies))
    rows.append(_better(result, others))
    same = bool(result["deterministic"])
    rows.append(Row(12, "same seed, same image", float(same), ">= 1", same))
    rows += [_structure(name, result, structure, limits) for name in ("valence", "arousal")]
    rows.append(_at_least(14, "structure_diversity", result, limits.structure_diversity))
    rows.append(_kinds(result, limits))
    return sorted(rows, key=lambda row: row.row)


def _said(table: Sequence[Row]) -> dict[str, Any]:
    return {
        "failed": sum(row.passed is False for row in table),
        "acceptance": [row._asdict() for row in table],
    }


def _baselines(
    train: Landscapes, metrics: LandscapeMetrics, structure: StructureMetrics, limits: Limits
) -> dict[str, dict[str, Any]]:
    """Recoloured training scenes at the same table: what colours alone can reach."""
    rows = spread_over(train, FITTED)
    pictures, va = train.tensor(rows), train.va_of(rows)
    middle = (va - 0.5).norm(dim=1).argmin()[None]
    results: dict[str, dict[str, Any]] = {}
    for name, scenes in zip(BASELINES, (pictures[middle], pictures), strict=True):
        generate = Recolouring.fitted(pictures, va, scenes)
        result: dict[str, Any] = {
            **metrics.compute(generate, BASELINE_LATENT)[0],
            **structure.compute(generate, BASELINE_LATENT),
            "gamma_bound": None,
            "deterministic": True,
        }
        results[name] = result | _said(acceptance(result, metrics, structure, limits, ()))
    return results


def _evaluated(
    run: EvaluatedRun, metrics: LandscapeMetrics, structure: StructureMetrics, device: torch.device
) -> tuple[dict[str, Any], np.ndarray]:
    net = run.generator
    width = net.spec.latent
    generate = partial(generate_in_batches, net, device)
    result, flags = metrics.compute(generate, width)
    noise, va = fixed_noise(REPEATED, width, 8), torch.full((REPEATED, 2), 0.5)
    with torch.no_grad():
        same = torch.equal(generate(noise, va), generate(noise, va))
        one = generate(fixed_noise(1, width, 9).expand(GRID**2, -1), va_grid(GRID))
        many = generate(fixed_noise(GRID**2, width, 10), va_grid(GRID))
    sheet = np.concatenate([tiled(one, GRID), tiled(many, GRID)], axis=1)
    bound = max((unit.bound for unit in net.units), default=None)
    causes = {name: {"value": value, "cause": CAUSES[name]} for name, value in flags.items()}
    missing = {} if bound is not None else {"gamma_bound": "the units have no gamma"}
    return {
        **result,
        **structure.compute(generate, width),
        **eru_statistics(net),
        "gamma_bound": bound,
        "deterministic": same,
        "red_flag_causes": causes,
        "sha256": run.sha256,
        "null": missing,
    }, sheet


def _at_least(row: int, name: str, result: Mapping[str, Any], limit: float) -> Row:
    return Row(row, name, result[name], f">= {limit:.3g}", result[name] >= limit)


def _at_most(row: int, name: str, result: Mapping[str, Any], limit: float) -> Row:
    return Row(row, name, result[name], f"<= {limit:.3g}", result[name] <= limit)


def _warm_start_share(
    result: Mapping[str, Any],
    limits: Limits,
    others: Sequence[tuple[EvaluatedRun, Mapping[str, Any]]],
) -> Row:
    measure = "frechet_distance, share of the warm start's"
    limit = f"<= {limits.warm_start_share:g}"
    if limits is PHOTOS:
        why = "published limits are for Inception features, which are not available"
        return Row(3, measure, None, limit, None, why)
    warm = [other for run, other in others if run.warm_start]
    if not warm:
        return Row(3, measure, None, limit, None, "no warm start was given to compare with")
    share = result["frechet_distance"] / warm[0]["frechet_distance"]
    return Row(3, measure, share, limit, share <= limits.warm_start_share)


def _correlation(
    name: str, result: Mapping[str, Any], metrics: LandscapeMetrics, limits: Limits
) -> Row:
    row = 6 if name.startswith("valence_") else 7
    if limits is not PHOTOS:
        return _at_least(row, name, result, limits.correlations[name])
    real = metrics.correlations[name]
    if abs(real) < MIN_CORRELATION:
        why = f"the correlation of the photos is too small: {real:.2f}"
        return Row(row, name, result[name], "as the photos", None, why)
    sign = ">" if real > 0 else "<"
    return Row(row, name, result[name], f"{sign} 0 as the photos", result[name] * real > 0)


def _structure(
    axis: str, result: Mapping[str, Any], structure: StructureMetrics, limits: Limits
) -> Row:
    name = f"structure_ccc_{axis}"
    ceiling = structure.ceiling[name]
    if ceiling < MIN_CORRELATION:
        why = f"the structure of real landscapes hardly shows it: {ceiling:.2f}"
        return Row(13, name, result[name], "as the real ones", None, why)
    return _at_least(13, name, result, limits.structure * ceiling)


def _kinds(result: Mapping[str, Any], limits: Limits) -> Row:
    name = "kinds_at_a_mood"
    if name not in result:
        why = "no structure evaluator was named: `networks.structure_evaluator`"
        return Row(15, name, None, f">= {limits.kinds:g}", None, why)
    return _at_least(15, name, result, limits.kinds)


def _gamma(result: Mapping[str, Any]) -> Row:
    bound, name = result["gamma_bound"], "gamma_max"
    if bound is None:
        limit = f"<= 1.8 x {SCALE_HIGH:g}"
        return Row(9, name, None, limit, None, "the units have no gamma")
    return Row(9, name, result[name], f"<= {bound:.3g}", result[name] <= bound + 1e-4)


def _better(
    result: Mapping[str, Any], others: Sequence[tuple[EvaluatedRun, Mapping[str, Any]]]
) -> Row:
    measure, limit = "better concordance and Frechet distance than the other runs", ">= 1"
    if not others:
        return Row(11, measure, None, limit, None, "no other run was given to compare with")
    better = [
        mean_ccc(result) > mean_ccc(other)
        and result["frechet_distance"] < other["frechet_distance"]
        for _, other in others
    ]
    return Row(11, measure, sum(better) / len(better), limit, all(better))


def _real_grid(test: Landscapes) -> Tensor:
    """The real landscapes whose valence and arousal are nearest to those of the grid."""
    distances = torch.cdist(va_grid(GRID), torch.from_numpy(test.va))
    return test.tensor(distances.argmin(dim=1))
