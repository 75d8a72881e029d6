"""Generators of landscapes judged on scenes that none of them has met: the acceptance table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from engine.core.progress import Progress, reported
from engine.data.landscapes import Landscapes
from engine.landscapes.inference.sheets import in_parts, plane, tiled
from engine.landscapes.metrics.evaluation import FULL, Effort, LandscapeMetrics, normals
from engine.landscapes.metrics.features import NAME
from engine.landscapes.metrics.red_flags import CAUSES
from engine.landscapes.metrics.va_regression import Judge
from engine.landscapes.nets.eru import SCALE_HIGH
from engine.landscapes.nets.generator import LandscapeGenerator, of_units

GRID, TWICE = 6, 8
DIGITS = 6
LARGE = 128
"""Side in px from which a generator is held to the stricter limits."""
TOLD = 0.15
"""Rank correlation of photos from which a generator must follow in the same direction."""


@dataclass(frozen=True, slots=True, eq=False)
class EvaluatedRun:
    """A generator to be judged; warm_start: whether it is an autoencoder's decoder only."""

    name: str
    generator: LandscapeGenerator
    sha256: str
    warm_start: bool


@dataclass(frozen=True, slots=True, eq=False)
class EvaluationMaterial:
    """What there is to judge, and the landscapes and the judge to judge it by."""

    contestants: Sequence[EvaluatedRun]
    learn: Landscapes
    check: Landscapes
    judge: Judge
    evaluated_by: str
    photos: bool
    """Whether the landscapes are rated photos, not the world."""


@dataclass(frozen=True, slots=True, eq=False)
class LandscapeEvaluation:
    """A report, and a sheet of pictures for each generator and for the real ones."""

    report: dict[str, Any]
    sheets: Mapping[str, np.ndarray]


class Row(NamedTuple):
    """One line of the acceptance table; passed is None where nothing could be measured."""

    row: int
    measure: str
    value: float | None
    limit: str
    passed: bool | None
    why_null: str | None = None


class Limits(NamedTuple):
    """What a generator must reach, as its pictures and its size demand."""

    name: str
    ccc: tuple[float, float]
    mae: tuple[float, float]
    share: float
    """Of the Frechet distance of the warm start, at most."""
    corners: float
    variety: float
    copies: float
    follows: Mapping[str, float]


DRAWN = {"v_luma": 0.95, "v_chroma": 0.85, "v_warmth": 0.85}
SMALL = Limits("drawn landscapes below 128 px", (0.80, 0.70), (0.10, 0.12), 0.25, 0.7, 0.5, 0.02,
               DRAWN | {"a_contrast": 0.85, "a_edges": 0.85})  # fmt: skip
FINE = Limits("drawn landscapes of 128 px and more", (0.90, 0.80), (0.07, 0.09), 0.15, 0.8, 0.6,
              0.02, DRAWN | {"a_contrast": 0.9, "a_edges": 0.9})  # fmt: skip
CEILING_SHARE, CEILING_ERROR = 0.6, 1.3
PHOTOS = Limits("rated photos", (0.0, 0.0), (1.0, 1.0), 0.0, 0.5, 0.6, 0.05, {})


def evaluate_landscapes(
    material: EvaluationMaterial, device: torch.device, progress: Progress, effort: Effort = FULL
) -> LandscapeEvaluation:
    """Judge every generator; the first is the one that gates mean, the others are beside it."""
    exam = LandscapeMetrics.of(material.learn, material.check, material.judge, effort)
    limits = PHOTOS if material.photos else FINE if _side(material) >= LARGE else SMALL
    told: dict[str, dict[str, Any]] = {}
    sheets = {"real": tiled(_over_plane(material.check), GRID)}
    with reported(progress, "Judging", len(material.contestants)):
        for one in material.contestants:
            told[one.name], sheets[one.name] = _examined(one, exam, device)
            progress.advance(one.name)
    first, *others = material.contestants
    for one in material.contestants:
        beside = [(c, told[c.name]) for c in others] if one is first else []
        table = acceptance(told[one.name], exam, limits, beside)
        told[one.name]["failed"] = sum(row.passed is False for row in table)
        told[one.name]["acceptance"] = [row._asdict() for row in table]
    report: dict[str, Any] = {
        "kind": "landscapes",
        "name": " and ".join(told),
        **told,
        "methods": list(told),
        "subject": first.name,
        "limits": limits.name,
        "examined": len(exam.places),
        "size": _side(material),
        "device": device.type,
        "judges": {"mood": material.evaluated_by, "features": NAME},
        "ceiling": exam.ceiling,
        "floor": exam.floor,
        "real_follows": exam.follows,
    }
    return LandscapeEvaluation(_plain(report), sheets)


def acceptance(
    told: Mapping[str, Any],
    exam: LandscapeMetrics,
    limits: Limits,
    others: Sequence[tuple[EvaluatedRun, Mapping[str, Any]]],
) -> list[Row]:
    """The table of what a generator must reach, row by row."""
    rows: list[Row] = []
    for at, name in enumerate(("valence", "arousal")):
        ccc, mae = limits.ccc[at], limits.mae[at]
        if limits is PHOTOS:
            ccc = CEILING_SHARE * exam.ceiling[f"ccc_{name}"]
            mae = CEILING_ERROR * exam.ceiling[f"mae_{name}"]
        rows.append(_least(1, f"ccc_{name}", told, ccc))
        rows.append(_most(2, f"mae_{name}", told, mae))
    rows.append(_beside_warm_start(told, limits, others))
    rows.append(_least(4, "corners", told, limits.corners))
    rows.append(_least(5, "variety", told, limits.variety))
    rows += [_follows(name, told, exam, limits) for name in exam.follows]
    rows.append(_most(8, "flags", told, 0))
    rows.append(_bounded(told))
    rows.append(_most(10, "copies", told, limits.copies))
    rows.append(_better(told, others))
    same = bool(told["same_twice"])
    rows.append(Row(12, "same seed, same picture", float(same), ">= 1", same))
    return sorted(rows, key=lambda row: row.row)


def _examined(
    one: EvaluatedRun, exam: LandscapeMetrics, device: torch.device
) -> tuple[dict[str, Any], np.ndarray]:
    net = one.generator
    width = net.spec.latent

    def paint(normal: Tensor, places: Tensor) -> Tensor:
        return in_parts(lambda z, at: net(net.codes(z), at), device, normal, places)

    figures, flags = exam.figures(paint, width)
    codes, places = normals(TWICE, width, 8), torch.full((TWICE, 2), 0.5)
    with torch.no_grad():
        same = torch.equal(paint(codes, places), paint(codes, places))
        scene = normals(1, width, 9).expand(GRID**2, -1)
        one_scene = paint(scene, plane(GRID))
        many = paint(normals(GRID**2, width, 10), plane(GRID))
    shown = np.concatenate([tiled(one_scene, GRID), tiled(many, GRID)], axis=1)
    units = of_units(net)
    bound = max((unit.bound for unit in net.units), default=None)
    told = {**figures, **units, "bound": bound, "same_twice": same}
    causes = {name: {"value": value, "cause": CAUSES[name]} for name, value in flags.items()}
    missing = {} if bound is not None else {"bound": "its units have no gamma"}
    return told | {"red_flags": causes, "sha256": one.sha256, "null": missing}, shown


def _least(row: int, name: str, told: Mapping[str, Any], limit: float) -> Row:
    return Row(row, name, told[name], f">= {limit:.3g}", told[name] >= limit)


def _most(row: int, name: str, told: Mapping[str, Any], limit: float) -> Row:
    return Row(row, name, told[name], f"<= {limit:.3g}", told[name] <= limit)


def _beside_warm_start(
    told: Mapping[str, Any],
    limits: Limits,
    others: Sequence[tuple[EvaluatedRun, Mapping[str, Any]]],
) -> Row:
    measure, limit = "frechet, share of the warm start's", f"<= {limits.share:g}"
    if limits is PHOTOS:
        why = "published limits are of Inception's features, which are not here"
        return Row(3, measure, None, limit, None, why)
    warm = [figures for one, figures in others if one.warm_start]
    if not warm:
        return Row(3, measure, None, limit, None, "no run of a warm start stands beside it")
    share = told["frechet"] / warm[0]["frechet"]
    return Row(3, measure, share, limit, share <= limits.share)


def _follows(name: str, told: Mapping[str, Any], exam: LandscapeMetrics, limits: Limits) -> Row:
    row = 6 if name.startswith("v_") else 7
    if limits is not PHOTOS:
        return _least(row, name, told, limits.follows[name])
    real = exam.follows[name]
    if abs(real) < TOLD:
        why = f"the photos themselves hardly follow: {real:.2f}"
        return Row(row, name, told[name], "as the photos", None, why)
    sign = ">" if real > 0 else "<"
    return Row(row, name, told[name], f"{sign} 0 as the photos", told[name] * real > 0)


def _bounded(told: Mapping[str, Any]) -> Row:
    bound = told["bound"]
    if bound is None:
        return Row(9, "gamma", None, f"<= 1.8 x {SCALE_HIGH:g}", None, "its units have no gamma")
    return Row(9, "gamma", told["gamma"], f"<= {bound:.3g}", told["gamma"] <= bound + 1e-4)


def _better(
    told: Mapping[str, Any], others: Sequence[tuple[EvaluatedRun, Mapping[str, Any]]]
) -> Row:
    measure, limit = "better in mood and distribution than the runs beside it", ">= 1"
    if not others:
        return Row(11, measure, None, limit, None, "no other run stands beside it")
    won = [_mood(told) > _mood(o) and told["frechet"] < o["frechet"] for _, o in others]
    return Row(11, measure, sum(won) / len(won), limit, all(won))


def _mood(told: Mapping[str, Any]) -> float:
    return (told["ccc_valence"] + told["ccc_arousal"]) / 2


def _side(material: EvaluationMaterial) -> int:
    return material.contestants[0].generator.spec.size


def _over_plane(check: Landscapes) -> Tensor:
    """Real landscapes nearest to the places of the grid."""
    wanted, known = plane(GRID), torch.from_numpy(check.places)
    return check.tensor(torch.cdist(wanted, known).argmin(dim=1))


def _plain(value: Any) -> Any:
    """Values for JSON: floats rounded, so that last bits of a sum are nobody's news."""
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, float):
        return round(value, DIGITS) if np.isfinite(value) else None
    return value
