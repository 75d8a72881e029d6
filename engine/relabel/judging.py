"""From fused votes to labels: how reliable each is, what speaks against it, whether it is kept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import Field

from engine.core.ledger import Row
from engine.core.table import Table
from engine.data.domains import Domain
from engine.data.ffhq_aging import AttributeLimits, FfhqAging, group_of
from engine.experts.mixture import Calibration, Fusion, Mixture, Predictions
from engine.metrics.age_calibration import probability_within
from engine.relabel.source import Job, Labels

DIGITS = 3
REJECTING = (
    "label_mismatch", "out_of_group", "disagree", "occluded", "pose",
    "low_label_confidence", "low_gender_confidence", "no_face_attributes",
)  # fmt: skip


class Limits(Table):
    """From where on a face is flagged, and which flags cost it its place."""

    decay: float = Field(default=6.0, gt=0)
    """Years of spread at which reliability has fallen to 1/e."""
    reliability: float = Field(default=0.2, ge=0, le=1)
    """Faces below are not kept."""
    spread: float | None = Field(default=None, gt=0)
    """Faces of a larger standard deviation are not kept."""
    disagree: float = Field(default=8.0, gt=0)
    """Standard deviation between the experts, in years."""
    few_experts: int = Field(default=2, ge=1)
    """Fewer answers than these are few."""
    low_confidence: float = Field(default=0.3, ge=0, le=1)
    """Probability of being right within five years."""
    mismatch: float | None = Field(default=None, gt=0)
    """Standard deviations between a label and the mixture; the calibration's where not given."""
    group_margin: float = Field(default=2.0, ge=0)
    """Years by which a labelled group is widened before an age is out of it."""
    rejecting: tuple[str, ...] = REJECTING


@dataclass(frozen=True, slots=True)
class Judging:
    """Everything that turns votes into labels."""

    limits: Limits
    fusion: Fusion
    asked: Mapping[Domain, int]
    """How many experts were asked for about each domain, here or not."""
    calibrations: Mapping[Domain, Calibration]
    attributes: AttributeLimits | None = None
    labels: Labels | None = None


def label_rows(
    jobs: Sequence[Job],
    rows: Sequence[Row],
    votes: Predictions,
    told: Mixture,
    judging: Judging,
    domain: Domain,
) -> dict[str, dict[str, Any]]:
    """A label for every picture of a domain, by name; `rows`, `votes` and `told` in their order."""
    calibration = judging.calibrations.get(domain)
    found: dict[str, dict[str, Any]] = {}
    sure = probability_within(np.where(np.isfinite(told.std), told.std, 1e9)) if len(jobs) else []
    for at, (job, row) in enumerate(zip(jobs, rows, strict=True)):
        experts = {name: _vote(votes, told, at, index) for index, name in enumerate(votes.experts)}
        if not told.present[at]:
            reason = "every expert is silent" if votes.experts else f"no expert here knows {domain}"
            found[job.name] = unlabelled(job, row["reason"] or reason, "no_answer", experts)
            continue
        limits, spread = judging.limits, float(told.std[at])
        share = told.present[at] / max(judging.asked[domain], told.present[at])
        reliability = float(share * np.exp(-spread / limits.decay))
        flags = _flags(told, at, float(sure[at]), limits)
        audit = _audited(job, float(told.age[at]), spread, judging, calibration)
        flags += audit.pop("flags")
        kept = reliability >= limits.reliability and not set(flags) & set(limits.rejecting)
        kept = kept and (limits.spread is None or spread <= limits.spread)
        found[job.name] = {
            "source": job.path.as_posix(),
            "age": round(float(told.age[at]), DIGITS),
            "age_std": round(spread, DIGITS),
            "var_between": round(float(told.between[at]), DIGITS),
            "var_within": round(float(told.within[at]), DIGITS),
            "range": round(float(told.furthest[at]), DIGITS),
            "age_group": group_of(float(told.age[at])),
            **audit,
            "n_experts": int(told.present[at]),
            "confidence": round(float(sure[at]), DIGITS),
            "reliability": round(reliability, DIGITS),
            "flags": flags,
            "keep": kept,
            "experts": experts,
        }
    return found


def unlabelled(
    job: Job, reason: str | None, flag: str, experts: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The label of a picture that no age is told of."""
    return {
        "source": job.path.as_posix(),
        "age": None,
        "age_std": None,
        "why_null": reason,
        "n_experts": 0,
        "reliability": 0.0,
        "flags": [flag],
        "keep": False,
        "experts": dict(experts) if experts is not None else {},
    }


def _vote(votes: Predictions, told: Mixture, at: int, index: int) -> dict[str, Any]:
    if not np.isfinite(votes.years[at, index]):
        return {"age": None, "status": "silent", "weight": 0.0}
    return {
        "age": round(float(votes.years[at, index]), DIGITS),
        "std": round(float(votes.spread[at, index]), DIGITS),
        "conf": round(float(votes.confidence[at, index]), DIGITS),
        "weight": round(float(told.weights[at, index]), DIGITS),
        "status": "ok" if np.isfinite(told.ages[at, index]) else "abstained",
    }


def _flags(told: Mixture, at: int, sure: float, limits: Limits) -> list[str]:
    found: list[str] = []
    if np.sqrt(told.between[at]) > limits.disagree:
        found.append("disagree")
    if told.present[at] < limits.few_experts:
        found.append("few_experts")
    if sure < limits.low_confidence:
        found.append("low_conf")
    return found


def _audited(
    job: Job, age: float, spread: float, judging: Judging, calibration: Calibration | None
) -> dict[str, Any]:
    """What existing labels say of a picture, and the flags that follow."""
    labels, limits = judging.labels, judging.limits
    if labels is None:
        return {"flags": []}
    if (row := labels.group_of(job)) is not None:
        return _against_group(row, age, judging)
    if (label := labels.age_of(job)) is None:
        return {"label": None, "flags": ["no_label"]}
    away = abs(label - age) / spread
    limit = limits.mismatch
    if limit is None:
        limit = calibration.mismatch if calibration is not None else 2.0
    return {
        "label": label,
        "label_off_by": round(away, DIGITS),
        "flags": ["label_mismatch"] if away > limit else [],
    }


def _against_group(row: FfhqAging, age: float, judging: Judging) -> dict[str, Any]:
    low, high = row.years
    margin = judging.limits.group_margin
    flags = [] if low - margin <= age < high + 1 + margin else ["out_of_group"]
    if judging.attributes is not None:
        flags += judging.attributes.faults(row)
    return {
        "original_group": row.group,
        "original_group_conf": row.group_confidence,
        "gender": row.gender,
        "flags": flags,
    }
