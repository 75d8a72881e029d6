"""Relabelling as a whole: predict, calibrate where the truth is known, fuse, decide, write."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from engine.core.atomic import write_bytes, write_json, write_text
from engine.core.digest import settings_digest
from engine.core.errors import InputError, TmError, UsageError, WeightsError
from engine.core.held import HeldFolder
from engine.core.jsontext import to_json
from engine.core.ledger import Row
from engine.core.lock import locked
from engine.core.progress import Progress
from engine.core.single import require_free
from engine.data.counterparts import Counterparts
from engine.data.domains import DOMAINS, Domain
from engine.data.labels import Label
from engine.data.splits import held_out
from engine.experts.gating import fuse_by_gate
from engine.experts.mixture import Calibration, Mixture, Predictions, fuse
from engine.relabel.captioning import CaptionPlan, CaptionReport, caption
from engine.relabel.decisions import DecisionRules, decide, label_without_age
from engine.relabel.diagrams import points_csv, reliability_png
from engine.relabel.fit import Fitting, expert_metrics, fit_calibration, mixture_metrics
from engine.relabel.inference import Ensemble, PredictionRequest, predict, predictions_of
from engine.relabel.output import labels_csv, manifest_rows, report_csv
from engine.relabel.sampling import Sampling
from engine.relabel.source import Job, ReferenceLabels

SCHEMA = 1
PREDICTIONS, LABELS_CSV = "predictions.jsonl", "labels.csv"
CALIBRATION, DIAGRAM, POINTS = "calibration.json", "reliability.png", "reliability.csv"


@dataclass(frozen=True, slots=True)
class RelabelPlan:
    """A request with everything read and loaded."""

    jobs: tuple[Job, ...]
    source: Path
    out: Path
    inference: PredictionRequest
    rules: DecisionRules
    truth: ReferenceLabels | None = None
    fitting: Fitting = Fitting()
    sampling: Sampling = Sampling()
    report: Path | None = None
    manifest: Path | None = None
    enhanced: Counterparts | None = None
    captions: CaptionPlan | None = None

    @property
    def ensemble(self) -> Ensemble:
        """The experts."""
        return self.inference.ensemble


@dataclass(frozen=True, slots=True)
class RelabelReport:
    """The labels by name, the metrics of a fit, the captions, and the experts that were missing."""

    labels: Mapping[str, Label]
    domains: Mapping[Domain, int]
    """Number of faces in each domain."""
    metrics: Mapping[str, Any] | None
    captions: CaptionReport | None = None
    absent: Mapping[str, TmError] = field(default_factory=dict[str, TmError])
    """Experts that were requested and are not here, with the reason."""
    missed: Sequence[str] = ()
    """Those of them whose domain has faces."""

    def count(self, flag: str) -> int:
        """Number of labels with a flag."""
        return sum(flag in label.flags for label in self.labels.values())

    @property
    def labelled(self) -> int:
        """Number of pictures with an age."""
        return sum(label.age is not None for label in self.labels.values())

    @property
    def kept(self) -> int:
        """Number of labels that are kept."""
        return sum(label.keep for label in self.labels.values())


def files_folder(out: Path) -> Path:
    """The folder of everything but the labels themselves."""
    return out.with_name(f"{out.stem}_files")


def output_files(out: Path, *, fits: bool) -> list[Path]:
    """The files that a run writes; `fits`: with those of a calibration."""
    folder = files_folder(out)
    names = [PREDICTIONS, LABELS_CSV, *((CALIBRATION, DIAGRAM, POINTS) if fits else ())]
    return [out, *(folder / name for name in names)]


def run_plan(plan: RelabelPlan, progress: Progress) -> RelabelReport:
    """Label every picture and write all files; InputError or WeightsError where none has an age."""
    ensemble = plan.ensemble
    with locked(files_folder(plan.out), guarded=True) as held:
        ledger = files_folder(plan.out) / PREDICTIONS
        _require_own(plan, held, ledger)
        rows = predict(plan.jobs, plan.inference, ledger, progress)
        calibrations = dict(plan.rules.calibrations)
        metrics: dict[str, Any] | None = None
        if plan.truth is not None:
            domain, calibration, metrics = _calibrate(plan, rows, plan.truth)
            calibrations[domain] = calibration
        rules = replace(plan.rules, calibrations=calibrations)
        labels: dict[str, Label] = {}
        counts: dict[Domain, int] = {}
        for domain in DOMAINS:
            jobs = [job for job in plan.jobs if rows[job.name]["domain"] == domain]
            own = [rows[job.name] for job in jobs]
            predictions = predictions_of(own, ensemble.of_domain(domain))
            counts[domain] = len(jobs)
            mixture = fuse_domain(predictions, rules, domain, ensemble)
            labels |= decide(jobs, own, predictions, mixture, rules, domain)
        for job in plan.jobs:
            if job.name not in labels:
                row = rows[job.name]
                flag = "no_face" if row["status"] == "skipped" else "unreadable"
                labels[job.name] = label_without_age(job, row["reason"], flag)
        labels = {job.name: labels[job.name] for job in plan.jobs}
        report = RelabelReport(
            labels, counts, metrics, absent=ensemble.absent, missed=ensemble.missed(counts)
        )
        _write(plan, rules, report)
    _require_ages(plan, report)
    if plan.captions is None:
        return report
    return replace(report, captions=caption(plan.captions, progress))


def fuse_domain(
    predictions: Predictions, rules: DecisionRules, domain: Domain, ensemble: Ensemble
) -> Mixture:
    """The mixture of the predictions for pictures of a domain, by the recipe's rule."""
    if rules.fusion.rule == "gate":
        kinds = {name: table.kind for name, table in ensemble.tables.items()}
        return fuse_by_gate(predictions, kinds, rules.fusion)
    return fuse(predictions, rules.calibrations.get(domain), rules.fusion)


def _calibrate(
    plan: RelabelPlan, rows: Mapping[str, Row], truth: ReferenceLabels
) -> tuple[Domain, Calibration, dict[str, Any]]:
    """Fit on a part of the faces of known age, and compute all metrics on the held-out rest."""
    fusion = plan.rules.fusion
    if fusion.rule == "gate":
        raise UsageError("the learned gate cannot be fitted: leave out `--truth` or the gate")
    known = [(job, truth.age_of(job)) for job in plan.jobs]
    known = [(job, age) for job, age in known if age is not None and rows[job.name]["domain"]]
    if not known:
        raise UsageError(
            f"`{truth.path}` has the age of none of the pictures",
            hint="its `path` is relative to the file, its `name` is that of a picture",
        )
    by_domain = {
        domain: [(job, age) for job, age in known if rows[job.name]["domain"] == domain]
        for domain in DOMAINS
    }
    domain = max(DOMAINS, key=lambda one: len(by_domain[one]))
    jobs = [job for job, _ in by_domain[domain]]
    ages = np.array([age for _, age in by_domain[domain]], np.float64)
    ensemble = plan.ensemble
    predictions = predictions_of([rows[job.name] for job in jobs], ensemble.of_domain(domain))
    keys = [job.person if job.person is not None else str(rows[job.name]["sha256"]) for job in jobs]
    test = np.array([held_out(key, plan.fitting.validation_share) for key in keys])
    calibration = fit_calibration(
        predictions.of(~test), ages[~test], ensemble.digests, domain, plan.fitting, fusion
    )
    tested, target = predictions.of(test), ages[test]
    if not len(tested):
        raise UsageError(
            "no face is held out from the fit", hint="raise `fitting.validation_share`"
        )
    fused = np.isfinite(fuse(tested, calibration, fusion).age)
    tested, target = tested.of(fused), target[fused]
    mixture = fuse(tested, calibration, fusion)
    metrics = {
        "domain": domain,
        "fitted_on": int((~test).sum()),
        "mixture": mixture_metrics(target, mixture),
        "experts": expert_metrics(target, tested, mixture),
    }
    return domain, calibration, metrics


def _require_own(plan: RelabelPlan, held: HeldFolder, ledger: Path) -> None:
    """UsageError for a file to write that is an input, or there already and of another run."""
    beside = output_files(plan.out, fits=plan.truth is not None)[1:]
    if held.is_new and ledger.is_file():
        held.adopt([path.name for path in beside])
    held.require_own(*(path.name for path in beside if path != ledger))
    given = (plan.report, plan.manifest)
    outputs = [plan.out, *(path for path in given if path is not None)]
    labels = (plan.rules.labels, plan.truth)
    inputs = [plan.source, *(job.path for job in plan.jobs)]
    inputs += [table.path for table in labels if table is not None]
    known = [path for path in outputs if held.owns(_seen_from(held, path))]
    require_free(outputs, inputs=inputs, known=known)
    held.adopt([_seen_from(held, path) for path in outputs])


def _seen_from(held: HeldFolder, path: Path) -> str:
    return Path(os.path.relpath(os.path.realpath(path), held.root)).as_posix()


def _write(plan: RelabelPlan, rules: DecisionRules, report: RelabelReport) -> None:
    ensemble = plan.ensemble
    experts = list(ensemble.experts)
    calibrations = {name: one.dump() for name, one in sorted(rules.calibrations.items())}
    write_json(
        plan.out,
        {
            "schema": SCHEMA,
            "tool_version": version("tm-toolkit"),
            "experts": [
                {
                    "name": name,
                    "weights": table.weights,
                    "weights_sha256": ensemble.digests[name],
                    "domain": table.domain,
                    "preproc": table.preprocessing,
                }
                for name, table in ensemble.tables.items()
            ],
            "absent": {name: str(error) for name, error in ensemble.absent.items()},
            "fusion": {
                **rules.fusion.dump(),
                "limits": rules.limits.dump(),
                "calibrations": calibrations,
                "calibration_sha256": settings_digest(calibrations) if calibrations else None,
            },
            "labels": {name: label.dump() for name, label in report.labels.items()},
        },
    )
    write_text(files_folder(plan.out) / LABELS_CSV, labels_csv(report.labels, experts))
    if plan.report is not None:
        write_text(plan.report, report_csv(report.labels, experts))
    if plan.manifest is not None:
        kept = manifest_rows(report.labels, plan.manifest.parent, plan.sampling, plan.enhanced)
        lines = [to_json(row) for row in kept]
        write_text(plan.manifest, "".join(f"{line}\n" for line in lines))
    if report.metrics is not None:
        _write_fit(files_folder(plan.out), rules, report.metrics)


def _write_fit(folder: Path, rules: DecisionRules, metrics: Mapping[str, Any]) -> None:
    mixture = dict(metrics["mixture"])
    write_json(
        folder / CALIBRATION,
        {
            "made_by": f"tm {version('tm-toolkit')}",
            "calibration": rules.calibrations[metrics["domain"]].dump(),
            "metrics": metrics,
        },
    )
    write_text(folder / POINTS, points_csv(mixture))
    title = f"{mixture['faces']} held-out faces: mean absolute error {mixture['mae']:.2f} years"
    write_bytes(folder / DIAGRAM, reliability_png(mixture, title=title))


def _require_ages(plan: RelabelPlan, report: RelabelReport) -> None:
    """InputError or WeightsError where no picture has an age; the files hold the reasons."""
    if report.labelled:
        return
    ensemble = plan.ensemble
    unknown = [
        domain for domain in DOMAINS if report.domains[domain] and not ensemble.of_domain(domain)
    ]
    if unknown:
        hints = [error.hint for error in ensemble.absent.values() if error.hint is not None]
        absent = ", ".join(ensemble.absent) if ensemble.absent else "none"
        raise WeightsError(
            f"no expert is here that knows {unknown[0]}; absent: {absent}",
            hint=hints[0] if hints else "name experts with `--experts`",
        )
    reasons = {str(label.why_null) for label in report.labels.values()}
    raise InputError(f"no face got an age: {'; '.join(sorted(reasons)[:3])}")
