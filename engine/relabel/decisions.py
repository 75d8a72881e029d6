"""From fused ages to labels: how reliable each is, its flags, and whether it is kept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import Field

from engine.core.ledger import Row
from engine.core.regular import printable
from engine.core.table import Table
from engine.data.domains import Domain
from engine.data.ffhq_aging import AttributeLimits, FfhqAging, group_of
from engine.data.labels import ExpertOutput, Label
from engine.experts.mixture import Calibration, Fusion, Mixture, Predictions
from engine.metrics.age_calibration import probability_within
from engine.relabel.source import Job, ReferenceLabels

DIGITS = 3
REJECTING = (
    "label_mismatch", "out_of_group", "disagree", "occluded", "pose",
    "low_label_confidence", "low_gender_confidence", "no_face_attributes",
)  # fmt: skip


class Limits(Table):
    """The thresholds of the flags, and which flags reject a face."""

    decay: float = Field(default=6.0, gt=0)
    """Years of spread at which reliability has fallen to 1/e."""
    reliability: float = Field(default=0.2, ge=0, le=1)
    """Faces below are not kept."""
    spread: float | None = Field(default=None, gt=0)
    """Faces of a larger standard deviation are not kept."""
    disagree: float = Field(default=8.0, gt=0)
    """Standard deviation between the experts, in years."""
    few_experts: int = Field(default=2, ge=1)
    """Fewer predictions than this are flagged."""
    low_confidence: float = Field(default=0.3, ge=0, le=1)
    """Probability of being right within five years."""
    mismatch: float | None = Field(default=None, gt=0)
    """Standard deviations between a label and the mixture; the calibration's where not given."""
    group_margin: float = Field(default=2.0, ge=0)
    """Years by which a labelled group is widened before an age is out of it."""
    rejecting: tuple[str, ...] = REJECTING


@dataclass(frozen=True, slots=True)
class DecisionRules:
    """Everything that turns predictions into labels."""

    limits: Limits
    fusion: Fusion
    loaded: Mapping[Domain, int]
    """Number of experts for each domain that are here: those that are not know nothing against a
    face, and the calibration of those that are accounts for the others."""
    calibrations: Mapping[Domain, Calibration]
    attributes: AttributeLimits | None = None
    labels: ReferenceLabels | None = None


def decide(
    jobs: Sequence[Job],
    rows: Sequence[Row],
    predictions: Predictions,
    mixture: Mixture,
    rules: DecisionRules,
    domain: Domain,
) -> dict[str, Label]:
    """The label of every picture of a domain by name; all sequences in the order of `jobs`."""
    calibration = rules.calibrations.get(domain)
    labels: dict[str, Label] = {}
    std = np.where(np.isfinite(mixture.std), mixture.std, 1e9)
    confidence = probability_within(std) if len(jobs) else []
    for at, (job, row) in enumerate(zip(jobs, rows, strict=True)):
        experts = {
            name: _expert_output(predictions, mixture, at, index)
            for index, name in enumerate(predictions.experts)
        }
        if not mixture.present[at]:
            reason = "every expert is silent" if experts else f"no expert here knows {domain}"
            labels[job.name] = label_without_age(job, row["reason"] or reason, "no_answer", experts)
            continue
        limits, spread = rules.limits, float(mixture.std[at])
        share = mixture.present[at] / max(rules.loaded[domain], mixture.present[at])
        reliability = float(share * np.exp(-spread / limits.decay))
        flags = _flags(mixture, at, float(confidence[at]), limits)
        audit = _audit(job, float(mixture.age[at]), spread, rules, calibration)
        flags += audit.pop("flags")
        keep = reliability >= limits.reliability and not set(flags) & set(limits.rejecting)
        keep = keep and (limits.spread is None or spread <= limits.spread)
        labels[job.name] = Label(
            source=printable(job.path.as_posix()),
            age=round(float(mixture.age[at]), DIGITS),
            age_std=round(spread, DIGITS),
            var_between=round(float(mixture.between[at]), DIGITS),
            var_within=round(float(mixture.within[at]), DIGITS),
            range=round(float(mixture.range[at]), DIGITS),
            age_group=group_of(float(mixture.age[at])),
            **audit,
            n_experts=int(mixture.present[at]),
            confidence=round(float(confidence[at]), DIGITS),
            reliability=round(reliability, DIGITS),
            flags=tuple(flags),
            keep=keep,
            experts=experts,
        )
    return labels


def label_without_age(
    job: Job, reason: str | None, flag: str, experts: Mapping[str, ExpertOutput] | None = None
) -> Label:
    """The label of a picture that has no age."""
    return Label(
        source=printable(job.path.as_posix()),
        age=None,
        age_std=None,
        why_null=reason,
        n_experts=0,
        reliability=0.0,
        flags=(flag,),
        keep=False,
        experts={} if experts is None else experts,
    )


def _expert_output(predictions: Predictions, mixture: Mixture, at: int, index: int) -> ExpertOutput:
    if not np.isfinite(predictions.years[at, index]):
        return ExpertOutput(age=None, status="silent", weight=0.0)
    return ExpertOutput(
        age=round(float(predictions.years[at, index]), DIGITS),
        std=round(float(predictions.spread[at, index]), DIGITS),
        conf=round(float(predictions.confidence[at, index]), DIGITS),
        weight=round(float(mixture.weights[at, index]), DIGITS),
        status="ok" if np.isfinite(mixture.ages[at, index]) else "abstained",
    )


def _flags(mixture: Mixture, at: int, confidence: float, limits: Limits) -> list[str]:
    flags: list[str] = []
    if np.sqrt(mixture.between[at]) > limits.disagree:
        flags.append("disagree")
    if mixture.present[at] < limits.few_experts:
        flags.append("few_experts")
    if confidence < limits.low_confidence:
        flags.append("low_conf")
    return flags


def _audit(
    job: Job, age: float, spread: float, rules: DecisionRules, calibration: Calibration | None
) -> dict[str, Any]:
    """The reference label of a picture, and the flags of its comparison with the age."""
    references, limits = rules.labels, rules.limits
    if references is None:
        return {"flags": []}
    if (row := references.group_of(job)) is not None:
        return _audit_group(row, age, rules)
    if (label := references.age_of(job)) is None:
        return {"label": None, "flags": ["no_label"]}
    deviations = abs(label - age) / spread
    limit = limits.mismatch
    if limit is None:
        limit = calibration.mismatch if calibration is not None else 2.0
    return {
        "label": label,
        "label_off_by": round(deviations, DIGITS),
        "flags": ["label_mismatch"] if deviations > limit else [],
    }


def _audit_group(row: FfhqAging, age: float, rules: DecisionRules) -> dict[str, Any]:
    first, last = row.years
    margin = rules.limits.group_margin
    flags = [] if first - margin <= age < last + 1 + margin else ["out_of_group"]
    if rules.attributes is not None:
        flags += rules.attributes.faults(row)
    return {
        "original_group": row.group,
        "original_group_conf": row.group_confidence,
        "gender": row.gender,
        "flags": flags,
    }
