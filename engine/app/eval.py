"""`tm eval` as a function: evaluate comparisons, results, personal runs, and runs of landscapes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from engine.config.load import load_recipe
from engine.core.digest import file_sha256, settings_digest
from engine.core.errors import InputError, UsageError
from engine.core.progress import Progress, Silence
from engine.data.manifest import MANIFEST, Row, ledger_of
from engine.evaluators.domain import DomainClassifier, TrainingDomain
from engine.evaluators.suite import EvaluatorSuite
from engine.images.ranges import to_tensor
from engine.images.saving import save_png
from engine.inference.aligned_method import AlignedMethod
from engine.inference.folder import RESULTS, reage_photos
from engine.inference.plan import InferPlan
from engine.inference.reage import Reager
from engine.landscapes.evaluation.page import SHOWN
from engine.landscapes.evaluation.runs import evaluate_landscape_runs, is_landscape_run
from engine.nets.assemble import time_machine
from engine.runtime.device import Compute, Device, choose
from engine.runtime.pool import cores
from engine.scoring.evaluate import evaluate_methods
from engine.scoring.files import save_evaluation
from engine.scoring.gate import Gate, check_gates, parse_gates
from engine.scoring.material import COPIED, Material, Method, PersonPhotos, Source, merged
from engine.scoring.recipe import COMPARISON, load_comparison
from engine.scoring.results import (
    holds_results,
    read_impostors,
    read_photos_of_person,
    read_results,
)
from engine.scoring.truth import read_photographs, with_truth
from engine.scoring.words import FIGURES, format_difference, format_figure, number, title
from engine.training.photos import Photos, SplitPhotos, read_photos
from engine.training.run_folder import RECIPE, holds_run
from engine.trainings.personal.recipe import PersonalRecipe
from engine.weights.find import find_weights, unchosen
from engine.weights.load import read_checkpoint

CACHE = "eval"
STEP = 5
"""Years between the target ages of a run's held-out photos."""
MAX_HELD_OUT = 16
"""Held-out photos that are aged, spread over their ages."""
MINUTE = 60.0
A_COMPARISON, PHOTOS_OF_A_PERSON = "a comparison", "photos of a person"
LANDSCAPE_RUN = "a run of landscapes"


@dataclass(frozen=True, slots=True, kw_only=True)
class EvalRequest:
    """What is evaluated.

    folders: runs, results of `tm infer`, or a comparison, one or several side by side; against:
    another such folder, or photos of the person; truth: the photographs at other ages, a folder or
    its manifest; gate: limits such as `identity>=0.6,age_mae<=6`; out: folder of the report, the
    first of `folders` if None; workers: processes for dlib; command: the command line for the page.
    """

    folders: Sequence[Path]
    against: Path | None = None
    truth: Path | None = None
    gate: str | None = None
    out: Path | None = None
    workers: int | None = None
    device: Device = "auto"
    command: str = ""

    @property
    def folder(self) -> Path:
        """Where the report is written."""
        return self.folders[0] if self.out is None else self.out

    @property
    def gates(self) -> tuple[Gate, ...]:
        """The limits of `gate`; UsageError where it cannot be read."""
        return () if self.gate is None else parse_gates(self.gate)

    def validate(self) -> None:
        """UsageError for a faulty gate, or a file where the report needs a folder."""
        _ = self.gates
        if self.folder.exists() and not self.folder.is_dir():
            raise UsageError(f"`{self.folder}` is a file, and the report needs a folder")

    def kinds(self) -> dict[str, str]:
        """The kind of each folder; UsageError for one that is no folder."""
        folders = [*self.folders, *([self.against] if self.against is not None else [])]
        return {str(folder): _kind(folder) for folder in folders}

    def preview(self) -> dict[str, Any]:
        """The kind of each folder and the folder of the report, for `--dry-run`."""
        self.validate()
        return {"evaluated": self.kinds(), "out": str(self.folder)}

    def landscape_runs(self) -> list[Path] | None:
        """The folders if they are runs of landscapes, else None; UsageError for a mixture."""
        kinds = self.kinds()
        if LANDSCAPE_RUN not in kinds.values():
            return None
        others = [folder for folder, kind in kinds.items() if kind != LANDSCAPE_RUN]
        if others or self.truth is not None:
            other = f"`{others[0]}`" if others else "truth"
            raise UsageError(f"landscapes are compared with landscapes, not with {other}")
        return [Path(folder) for folder in kinds]


def evaluate(request: EvalRequest, progress: Progress | None = None) -> dict[str, Any]:
    """Evaluate portraits or landscapes, write the report's files, and return the report.

    The report has a table of figures for each of its `methods`. UsageError for a faulty request,
    InputError for an incomplete folder. Gates are checked by `check`, once the report is shown.
    """
    progress = Silence() if progress is None else progress
    request.validate()
    runs = request.landscape_runs()
    if runs is None:
        return _evaluate_portraits(request, progress)
    return _evaluate_landscapes(runs, request, progress)


def check(request: EvalRequest, report: Mapping[str, Any]) -> None:
    """GateError, exit code 6, that lists the figures outside the limits of `gate`."""
    check_gates(request.gates, report)


@dataclass(frozen=True, slots=True)
class Summary:
    """A report as a table, sentences on significant differences, and warnings."""

    columns: Sequence[str]
    rows: Sequence[Sequence[object]]
    comparisons: Sequence[str] = ()
    warnings: Sequence[str] = ()


def summarise(report: Mapping[str, Any]) -> Summary:
    """The main figures of a report, for a terminal."""
    return _landscapes(report) if report["kind"] == "landscapes" else _portraits(report)


def _portraits(report: Mapping[str, Any]) -> Summary:
    methods = {method: report[method] for method in report["methods"]}
    methods |= {name: report[name] for name in (COPIED,) if name in report} | report["controls"]
    comparisons: list[str] = []
    for row in report["paired"]:
        if row["better"] is not None and {row["one"], row["other"]} <= set(report["methods"]):
            worse = row["other"] if row["better"] == row["one"] else row["one"]
            amount = format_difference(row["figure"], abs(row["difference"]))
            comparisons.append(
                f"{title(row['better'])} is better than {title(worse)} in "
                f"{FIGURES[row['figure']]}, by {amount}"
            )
    missing = report[report["methods"][0]]["null"]
    return Summary(
        ("", *FIGURES.values(), "portraits"),
        [
            (title(name), *(format_figure(one, own[one]) for one in FIGURES), own["portraits"])
            for name, own in methods.items()
        ],
        comparisons,
        [f"no {FIGURES[name]}: {why}" for name, why in missing.items() if name in FIGURES],
    )


def _landscapes(report: Mapping[str, Any]) -> Summary:
    warnings: list[str] = []
    for row in report[report["subject"]]["acceptance"]:
        if row["passed"] is False:
            warnings.append(f"{row['measure']} is {number(row['value'], 3)}, limit {row['limit']}")
        elif row["passed"] is None:
            warnings.append(f"{row['measure']} is not measured: {row['why_null']}")
    rows = [(name, *(number(report[name][n], 3) for n in SHOWN)) for name in report["methods"]]
    return Summary(("", *(name.replace("_", " ") for name in SHOWN)), rows, warnings=warnings)


def _evaluate_portraits(request: EvalRequest, progress: Progress) -> dict[str, Any]:
    compute = choose(request.device)
    gathered = gather(request, compute, progress)
    sources = gathered.material.sources.values()
    classifier = DomainClassifier()
    faces = torch.cat([to_tensor(source.face(classifier.size)) for source in sources])
    workers = cores() if request.workers is None else request.workers
    suite = EvaluatorSuite(classifier.classify_set(faces), compute.device, workers=workers)
    # The number of threads does not change the report.
    device = "cpu" if compute.device.type == "cpu" else compute.name
    evaluation = evaluate_methods(
        gathered.material, suite, progress, subject=gathered.subject, device=device
    )
    evaluation.report.update(gathered.duration)
    save_evaluation(evaluation, request.folder, command=request.command)
    return evaluation.report


def _evaluate_landscapes(
    runs: list[Path], request: EvalRequest, progress: Progress
) -> dict[str, Any]:
    device = choose(request.device).device
    return evaluate_landscape_runs(runs, request.folder, device, progress, command=request.command)


@dataclass(frozen=True, slots=True, eq=False)
class Gathered:
    """The material, the method of gates that name none, and the report's `minutes`."""

    material: Material
    subject: str | None
    duration: Mapping[str, Any] = field(default_factory=dict[str, Any])


def gather(request: EvalRequest, compute: Compute, progress: Progress) -> Gathered:
    """Read everything that a request names, ageing the held-out photos of runs.

    UsageError for a folder that cannot be evaluated, InputError for one that is incomplete.
    """
    kinds = request.kinds()
    if request.truth is not None:
        read_photographs(request.truth)  # its faults are reported before any work
    if A_COMPARISON in kinds.values():
        return _comparison(request)
    for folder in request.folders:
        if kinds[str(folder)] == PHOTOS_OF_A_PERSON:
            raise UsageError(
                f"`{folder}` holds photos that were not aged",
                hint="give a personal run, or a folder of `tm infer`",
            )
    folders, photos = list(request.folders), None
    if request.against is not None:
        if kinds[str(request.against)] != PHOTOS_OF_A_PERSON:
            folders.append(request.against)
        else:
            photos = read_photos_of_person(request.against)
    methods: list[Method] = []
    sources: list[dict[str, Source]] = []
    for folder, name in zip(folders, _names(folders), strict=True):
        results = folder
        if holds_run(folder):
            results, training_photos = _age_held_out(folder, compute, progress)
            photos = training_photos if photos is None else photos
        method, own = read_results(results, name)
        methods.append(method)
        sources.append(own)
    material = Material(
        " and ".join(method.name for method in methods), merged(sources), methods, photos=photos
    )
    subject = methods[0].name if len(request.folders) == 1 else None
    return Gathered(_with_truth(material, request.truth), subject)


def _comparison(request: EvalRequest) -> Gathered:
    folder, *others = request.folders
    if others or request.against is not None:
        raise UsageError(f"a folder with `{COMPARISON}` is a comparison already: give it alone")
    recipe = load_comparison(folder)
    read = [read_results(folder / place, name) for name, place in recipe.methods.items()]
    material = Material(
        recipe.name if recipe.name != Path(COMPARISON).stem else folder.name,
        merged(sources for _, sources in read),
        [method for method, _ in read],
        photos=read_photos_of_person(folder / recipe.photos) if recipe.photos else None,
        impostors=read_impostors(folder / recipe.impostors) if recipe.impostors else (),
    )
    truth = request.truth
    if truth is None and recipe.truth is not None:
        truth = folder / recipe.truth
    if recipe.begun is None:
        reason = "the comparison names no file that was written at the start"
        duration = {"minutes": None, "null": {"minutes": reason}}
    else:
        begun = (folder / recipe.begun).stat().st_mtime
        ended = max((folder / one / RESULTS).stat().st_mtime for one in recipe.methods.values())
        duration = {"minutes": round((ended - begun) / MINUTE, 2)}
    subject = material.methods[0].name if len(material.methods) == 1 else None
    return Gathered(_with_truth(material, truth), subject, duration)


def _with_truth(material: Material, place: Path | None) -> Material:
    if place is None:
        return material
    sources, truth = with_truth(material.sources, read_photographs(place), material.tasks)
    return replace(material, sources=sources, truth=truth)


def _kind(folder: Path) -> str:
    if not folder.is_dir():
        raise UsageError(f"`{folder}` is no folder")
    if (folder / COMPARISON).is_file():
        return A_COMPARISON
    if holds_run(folder):
        return LANDSCAPE_RUN if is_landscape_run(folder) else "a run"
    return "aged photos" if holds_results(folder) else PHOTOS_OF_A_PERSON


def _names(folders: Sequence[Path]) -> list[str]:
    """The names of folders, with the folder above where two have the same name."""
    names = [folder.resolve().name for folder in folders]
    if len(set(names)) == len(names):
        return names
    longer = ["/".join(folder.resolve().parts[-2:]) for folder in folders]
    if len(set(longer)) < len(longer):
        raise UsageError("one folder was given twice")
    return longer


def _age_held_out(run: Path, compute: Compute, progress: Progress) -> tuple[Path, PersonPhotos]:
    """Age the held-out photos of a personal run by its best weights, in a cache below the run.

    Returns the folder of results and the photos that the run was trained on.
    """
    recipe = load_recipe(run / RECIPE)
    if not isinstance(recipe, PersonalRecipe) or recipe.photos is None:
        raise UsageError(
            f"`{run}` is a run of kind `{recipe.kind}`, which ages no photos",
            hint="give a personal run, or a folder of `tm infer`",
        )
    file = find_weights(str(run))
    if remark := unchosen(file):
        progress.remark(remark)
    checkpoint = read_checkpoint(file)
    reager = Reager(
        time_machine(checkpoint), compute, training_domain=TrainingDomain.of(checkpoint)
    )
    photos = Path(recipe.photos)
    if not photos.is_dir():
        raise InputError(
            f"`{photos}`, which `{run}` was trained on, is no folder",
            hint="put the photos back, or call from the folder that the training was started in",
        )
    sides = read_photos(photos, reager.input_size, progress)
    low, high = (STEP * round(edge / STEP) for edge in (sides.train.youngest, sides.train.oldest))
    ages = sorted({*map(float, range(low, high + 1, STEP)), *recipe.validation.beyond})
    stamp = settings_digest(
        {"weights": file_sha256(file), "ages": ages, "photos": sides.test.names}
    )
    folder = run / CACHE / stamp
    held_out = _write_held_out(folder / "photos", sides)
    plan = InferPlan(
        source=held_out,
        out=folder / "aged",
        ages=tuple(ages),
        aligned=True,
        force=True,
        evaluate=False,
        settings=stamp,
    )
    reage_photos(plan, AlignedMethod(reager, plan), progress)
    return plan.out, _training_photos(sides.train, photos)


def _write_held_out(folder: Path, sides: SplitPhotos) -> Path:
    """The held-out photos with their ages, in a folder of their own."""
    order: list[int] = np.argsort(sides.test.ages, kind="stable").tolist()
    picks: list[float] = np.linspace(0, len(order) - 1, min(MAX_HELD_OUT, len(order))).tolist()
    if not (folder / MANIFEST).is_file():
        with ledger_of(folder) as ledger:
            for row in [order[round(pick)] for pick in picks]:
                name, age = Path(sides.test.names[row]), float(sides.test.ages[row])
                name = name.with_suffix(".png")
                save_png(folder / name, sides.test.pictures[row], {"made": "held-out photo"})
                ledger.add(Row(output=name.as_posix(), age=age).dump())
    return folder


def _training_photos(train: Photos, folder: Path) -> PersonPhotos:
    order: list[int] = np.argsort(train.ages, kind="stable").tolist()
    return PersonPhotos(
        pictures=[train.pictures[row] for row in order],
        ages=train.ages[order].astype(np.float64),
        names=[train.names[row] for row in order],
        digests=[file_sha256(folder / train.names[row]) for row in order],
        train=np.ones(len(order), np.bool_),
    )
