"""`tm relabel` as a whole: collect votes, fit if the truth is known, fuse, judge, write."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from engine.core.atomic import write_bytes, write_json, write_text
from engine.core.digest import settings_digest
from engine.core.errors import InputError, UsageError, WeightsError
from engine.core.ledger import Row
from engine.core.lock import locked
from engine.core.progress import Progress
from engine.data.domains import Domain
from engine.data.splits import held_out
from engine.experts.gating import gated
from engine.experts.mixture import Calibration, Mixture, Predictions, fuse
from engine.relabel.admission import SamplingCurriculum
from engine.relabel.captioning import CaptionPlan, CaptionReport, caption
from engine.relabel.diagrams import points_csv, reliability_png
from engine.relabel.fit import Fitting, expert_figures, figures, fitted
from engine.relabel.judging import Judging, label_rows, unlabelled
from engine.relabel.output import labels_csv, manifest_rows, report_csv
from engine.relabel.source import Job, Labels
from engine.relabel.voting import Panel, PredictionRequest, collect, votes_of

DOMAINS: tuple[Domain, ...] = ("portraits", "photos")
SHIPPED = "nano"
"""What recipes call the calibration in the package: of the nano experts on drawn portraits."""
SCHEMA = 1
VOTES, FLAT = "votes.jsonl", "labels.csv"
CALIBRATION, DIAGRAM, POINTS = "calibration.json", "reliability.png", "reliability.csv"


@dataclass(frozen=True, slots=True)
class RelabelPlan:
    """What is asked for, with everything read and loaded."""

    jobs: tuple[Job, ...]
    out: Path
    ballot: PredictionRequest
    judging: Judging
    truth: Labels | None = None
    fitting: Fitting = Fitting()
    curriculum: SamplingCurriculum = SamplingCurriculum()
    report: Path | None = None
    manifest: Path | None = None
    captions: CaptionPlan | None = None


@dataclass(frozen=True, slots=True)
class RelabelReport:
    """The labels by name, the figures of a fit to given truth, and what was captioned."""

    labels: Mapping[str, dict[str, Any]]
    domains: Mapping[Domain, int]
    figures: Mapping[str, Any] | None
    captions: CaptionReport | None = None

    def count(self, flag: str) -> int:
        """How many labels have a flag."""
        return sum(flag in label["flags"] for label in self.labels.values())

    @property
    def labelled(self) -> int:
        """How many pictures have an age."""
        return sum(label["age"] is not None for label in self.labels.values())

    @property
    def kept(self) -> int:
        """How many labels are kept."""
        return sum(label["keep"] for label in self.labels.values())


def beside(out: Path) -> Path:
    """The folder of everything but the labels themselves."""
    return out.with_name(f"{out.stem}_files")


def files_of(out: Path, *, fits: bool) -> list[Path]:
    """What a run leaves, with the fit's files where it fits."""
    folder = beside(out)
    names = [VOTES, FLAT, *((CALIBRATION, DIAGRAM, POINTS) if fits else ())]
    return [out, *(folder / name for name in names)]


def relabel(plan: RelabelPlan, progress: Progress) -> RelabelReport:
    """Label every picture and write it all; InputError or WeightsError where none has an age."""
    with locked(beside(plan.out)):
        rows = collect(plan.jobs, plan.ballot, beside(plan.out) / VOTES, progress)
        panel = plan.ballot.panel
        calibrations = dict(plan.judging.calibrations)
        told: dict[str, Any] | None = None
        if plan.truth is not None:
            domain, calibration, told = _fit(plan, rows, plan.truth)
            calibrations[domain] = calibration
        judging = replace(plan.judging, calibrations=calibrations)
        labels: dict[str, dict[str, Any]] = {}
        counts: dict[Domain, int] = {}
        for domain in DOMAINS:
            jobs = [job for job in plan.jobs if rows[job.name]["domain"] == domain]
            here = [rows[job.name] for job in jobs]
            votes = votes_of(here, panel.of_domain(domain))
            counts[domain] = len(jobs)
            mixture = mixed_by(votes, judging, domain, panel)
            labels |= label_rows(jobs, here, votes, mixture, judging, domain)
        for job in plan.jobs:
            if job.name not in labels:
                reason = rows[job.name]["reason"]
                flag = "no_face" if rows[job.name]["status"] == "skipped" else "unreadable"
                labels[job.name] = unlabelled(job, reason, flag)
        labels = {job.name: labels[job.name] for job in plan.jobs}
        report = RelabelReport(labels, counts, told)
        _write(plan, judging, report)
    _require_some(plan, report)
    if plan.captions is None:
        return report
    return replace(report, captions=caption(plan.captions, progress))


def mixed_by(votes: Predictions, judging: Judging, domain: Domain, panel: Panel) -> Mixture:
    """The mixture of votes on pictures of a domain, by the recipe's rule."""
    if judging.fusion.rule == "gate":
        return gated(
            votes, {name: table.kind for name, table in panel.tables.items()}, judging.fusion
        )
    return fuse(votes, judging.calibrations.get(domain), judging.fusion)


def read_calibration(name: str, panel: Panel) -> Calibration | None:
    """A calibration file, or the shipped one; None where the shipped one is not for who is here.

    UsageError for a file fitted for other weights or without some of the experts of its domain.
    """
    if name == SHIPPED:
        text = files("engine.shipped").joinpath("nano-relabel.json").read_text(encoding="utf-8")
        found = _parsed(text, "the shipped calibration")
        return found if _fault(found, panel) is None else None
    path = Path(name).expanduser()
    try:
        found = _parsed(path.read_text(encoding="utf-8"), f"`{path}`")
    except OSError as error:
        raise UsageError(f"the calibration `{path}` cannot be read: {error.strerror}") from None
    if (fault := _fault(found, panel)) is not None:
        raise UsageError(f"the calibration `{path}` {fault}", hint="fit it anew with `--truth`")
    return found


def _parsed(text: str, what: str) -> Calibration:
    try:
        return Calibration.model_validate(json.loads(text)["calibration"])
    except (ValueError, KeyError, TypeError, ValidationError):
        raise UsageError(f"{what} is no calibration of `tm relabel`") from None


def _fault(calibration: Calibration, panel: Panel) -> str | None:
    here = panel.of_domain(calibration.domain)
    absent = [name for name in here if name not in calibration.experts]
    if absent:
        return f"knows nothing of {', '.join(absent)}"
    changed = [name for name in here if calibration.experts[name].digest != panel.digests[name]]
    return f"is for other weights of {', '.join(changed)}" if changed else None


def _fit(
    plan: RelabelPlan, rows: Mapping[str, Row], truth: Labels
) -> tuple[Domain, Calibration, dict[str, Any]]:
    """Fit on a part of the faces of known age, and take every figure on the rest."""
    if plan.judging.fusion.rule == "gate":
        raise UsageError("the learned gate is not fitted here: leave `--truth` or the gate away")
    known = [(job, truth.age_of(job)) for job in plan.jobs]
    known = [(job, age) for job, age in known if age is not None and rows[job.name]["domain"]]
    if not known:
        raise UsageError(
            f"`{truth.path}` tells the age of none of the pictures",
            hint="its `path` is seen from the file, its `name` is that of a picture",
        )
    by_domain = {
        domain: [(job, age) for job, age in known if rows[job.name]["domain"] == domain]
        for domain in DOMAINS
    }
    domain = max(DOMAINS, key=lambda one: len(by_domain[one]))
    jobs = [job for job, _ in by_domain[domain]]
    ages = np.array([age for _, age in by_domain[domain]], np.float64)
    panel = plan.ballot.panel
    votes = votes_of([rows[job.name] for job in jobs], panel.of_domain(domain))
    keys = [job.person if job.person is not None else str(rows[job.name]["sha256"]) for job in jobs]
    apart = np.array([held_out(key, plan.fitting.check) for key in keys])
    calibration = fitted(
        votes.of(~apart), ages[~apart], panel.digests, domain, plan.fitting, plan.judging.fusion
    )
    checked, target = votes.of(apart), ages[apart]
    if not len(checked):
        raise UsageError("no face is left to check the fit on", hint="raise `fitting.check`")
    told = fuse(checked, calibration, plan.judging.fusion)
    some = np.isfinite(told.age)
    told_some, target_some = fuse(checked.of(some), calibration, plan.judging.fusion), target[some]
    found = {
        "domain": domain,
        "fitted_on": int((~apart).sum()),
        "mixture": figures(target_some, told_some),
        "experts": expert_figures(target_some, checked.of(some), told_some),
    }
    return domain, calibration, found


def _write(plan: RelabelPlan, judging: Judging, report: RelabelReport) -> None:
    panel = plan.ballot.panel
    experts = list(panel.experts)
    calibrations = {name: one.dump() for name, one in sorted(judging.calibrations.items())}
    write_json(
        plan.out,
        {
            "schema": SCHEMA,
            "tool_version": version("tm-toolkit"),
            "experts": [
                {
                    "name": name,
                    "weights": table.weights,
                    "weights_sha256": panel.digests[name],
                    "domain": table.domain,
                    "preproc": table.seen,
                }
                for name, table in panel.tables.items()
            ],
            "absent": {name: str(error) for name, error in panel.absent.items()},
            "fusion": {
                **judging.fusion.dump(),
                "limits": judging.limits.dump(),
                "calibrations": calibrations,
                "calibration_sha256": settings_digest(calibrations) if calibrations else None,
            },
            "labels": report.labels,
        },
    )
    write_text(beside(plan.out) / FLAT, labels_csv(report.labels, experts))
    if plan.report is not None:
        write_text(plan.report, report_csv(report.labels, experts))
    if plan.manifest is not None:
        kept = manifest_rows(report.labels, plan.manifest.parent, plan.curriculum)
        lines = [json.dumps(row, ensure_ascii=False) for row in kept]
        write_text(plan.manifest, "".join(f"{line}\n" for line in lines))
    if report.figures is not None:
        _write_fit(plan, judging, report.figures)


def _write_fit(plan: RelabelPlan, judging: Judging, told: Mapping[str, Any]) -> None:
    calibration = judging.calibrations[told["domain"]]
    mixture = dict(told["mixture"])
    write_json(
        beside(plan.out) / CALIBRATION,
        {
            "made_by": f"tm {version('tm-toolkit')}",
            "calibration": calibration.dump(),
            "figures": told,
        },
    )
    write_text(beside(plan.out) / POINTS, points_csv(mixture))
    title = f"{mixture['faces']} faces the fit has not seen: mean error {mixture['mae']:.2f} years"
    write_bytes(beside(plan.out) / DIAGRAM, reliability_png(mixture, title=title))


def _require_some(plan: RelabelPlan, report: RelabelReport) -> None:
    """InputError or WeightsError where no picture has an age; the files say why each has none."""
    if report.labelled:
        return
    panel = plan.ballot.panel
    unknown = [
        domain for domain in DOMAINS if report.domains[domain] and not panel.of_domain(domain)
    ]
    if unknown:
        hints = [error.hint for error in panel.absent.values() if error.hint is not None]
        raise WeightsError(
            f"no expert is here that knows {unknown[0]}; absent: {named(panel.absent)}",
            hint=hints[0] if hints else "name experts with `--experts`",
        )
    reasons = {str(label["why_null"]) for label in report.labels.values()}
    raise InputError(f"no face got an age: {'; '.join(sorted(reasons)[:3])}")


def named(absent: Mapping[str, object] | Sequence[str]) -> str:
    """Names in one line; `none` where there is none."""
    return ", ".join(absent) if absent else "none"
