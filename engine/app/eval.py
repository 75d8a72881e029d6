"""`tm eval` as a function: evaluate comparisons, results, personal runs, and runs of landscapes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from engine.app.summary import Summary, summarise
from engine.core.dry_run import checks_only
from engine.core.errors import UsageError
from engine.core.progress import Progress, Silence
from engine.core.single import require_free
from engine.evaluators.drawn import domain_of
from engine.evaluators.suite import EvaluatorSuite
from engine.faces.descriptor import SMALLEST, describe_aligned
from engine.inference.folder import RESULTS
from engine.landscapes.evaluation.runs import evaluate_landscape_runs, is_landscape_run
from engine.runtime.device import Compute, Device, choose
from engine.runtime.pool import cores
from engine.scoring.evaluate import evaluate_methods
from engine.scoring.facts import KnownFacts
from engine.scoring.files import save_evaluation
from engine.scoring.gate import Gate, check_gates, parse_gates, require_figures
from engine.scoring.held_out import age_held_out
from engine.scoring.left_out import age_left_out, is_own_person
from engine.scoring.material import Material, Method, Source, merged
from engine.scoring.photo_ages import PhotoAges
from engine.scoring.photo_sets import paired_sets, paired_within, read_photo_set, with_targets
from engine.scoring.recipe import COMPARISON, load_comparison
from engine.scoring.results import (
    holds_results,
    read_impostors,
    read_photos_of_person,
    read_results,
)
from engine.scoring.truth import read_photographs, with_truth
from engine.training.identity_trend import IdentityTrend, identity_trend
from engine.training.run_folder import holds_run

MINUTE = 60.0
FILES = ("report.json", "report.html", "strip.png")
"""What an evaluation writes wherever it goes."""
A_COMPARISON, PHOTOGRAPHS = "a comparison", "photographs"
LANDSCAPE_RUN = "a run of landscapes"

__all__ = ["EvalRequest", "Gathered", "Summary", "check", "evaluate", "gather", "summarise"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EvalRequest:
    """What is evaluated.

    folders: runs, results of `tm infer`, or a comparison, one or several side by side; or folders
    of photographs, of which each is compared with the first (one alone: with others of its people);
    against: another such folder, or photos of the person; truth: the photographs at other ages, a
    folder or its manifest; labels: a CSV with `path` and any of `person`, `sex`, `age`; gate:
    limits such as `identity>=0.6,age_mae<=6`; leave_out: photographs without which the training of
    a run of `photo_personal` is repeated, if None those that it held out; out: folder of the
    report, if None the first of `folders`, or of photographs `eval_<folders>` where the user
    stands; workers: processes for dlib; command: the command line for the page.
    """

    folders: Sequence[Path]
    against: Path | None = None
    truth: Path | None = None
    labels: Path | None = None
    gate: str | None = None
    out: Path | None = None
    leave_out: int | None = None
    workers: int | None = None
    device: Device = "auto"
    command: str = ""

    @property
    def folder(self) -> Path:
        """Where the report is written."""
        if self.out is not None:
            return self.out
        return Path(f"eval_{'_'.join(self.set_names())}") if self.of_photos else self.folders[0]

    @property
    def of_photos(self) -> bool:
        """Whether the folders hold photographs, without results of `tm infer`."""
        return all(_kind(folder) == PHOTOGRAPHS for folder in self.folders)

    def set_names(self) -> list[str]:
        """Names of folders of photographs, that of the one all are compared with first."""
        return [name.replace("/", "_") for name in _names(self.photo_folders())]

    def photo_folders(self) -> list[Path]:
        """Folders of photographs, the one that all are compared with first."""
        return [*([self.against] if self.against is not None else []), *self.folders]

    @property
    def gates(self) -> tuple[Gate, ...]:
        """The limits of `gate`; UsageError where it cannot be read."""
        return () if self.gate is None else parse_gates(self.gate)

    def validate(self) -> None:
        """UsageError for a faulty gate, or files in the way of the report."""
        _ = self.gates
        if self.folder.exists() and not self.folder.is_dir():
            raise UsageError(f"`{self.folder}` is a file, and the report needs a folder")
        if self.landscape_runs() is None:
            require_figures(self.gates)
        require_free([self.folder / name for name in FILES])

    def kinds(self) -> dict[str, str]:
        """The kind of each folder; UsageError for one that is no folder."""
        folders = [*self.folders, *([self.against] if self.against is not None else [])]
        return {str(folder): _kind(folder) for folder in folders}

    def preview(self) -> dict[str, Any]:
        """The kind of each folder, and that of the report; raises as `evaluate` does."""
        with checks_only():
            evaluate(self)
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


def _evaluate_portraits(request: EvalRequest, progress: Progress) -> dict[str, Any]:
    compute = choose(request.device)
    gathered = gather(request, compute, progress)
    sources = gathered.material.sources.values()
    domain = domain_of(*(describe_aligned(source.face(SMALLEST)) for source in sources))
    workers = cores() if request.workers is None else request.workers
    ages = PhotoAges(compute.device) if domain == "photos" else None
    suite = EvaluatorSuite(domain, compute.device, workers=workers, ages=ages)
    # The number of threads does not change the report.
    device = "cpu" if compute.device.type == "cpu" else compute.name
    evaluation = evaluate_methods(
        with_targets(gathered.material, suite),
        suite,
        progress,
        subject=gathered.subject,
        device=device,
    )
    evaluation.report.update(gathered.facts)
    for name, trend in gathered.trends.items():
        evaluation.report[name]["identity_trend"] = round(trend.value, 4)
        evaluation.report.setdefault("run", {})[name] = str(trend)
    save_evaluation(evaluation, request.folder, command=request.command)
    return evaluation.report


def _evaluate_landscapes(
    runs: list[Path], request: EvalRequest, progress: Progress
) -> dict[str, Any]:
    device = choose(request.device).device
    return evaluate_landscape_runs(runs, request.folder, device, progress, command=request.command)


@dataclass(frozen=True, slots=True, eq=False)
class Gathered:
    """The material, the method of gates that name none, and what else the report has."""

    material: Material
    subject: str | None
    facts: Mapping[str, Any] = field(default_factory=dict[str, Any])
    trends: Mapping[str, IdentityTrend] = field(default_factory=dict[str, IdentityTrend])
    """Of the methods that are runs."""


def gather(request: EvalRequest, compute: Compute, progress: Progress) -> Gathered:
    """Read everything that a request names, ageing the held-out photos of runs.

    UsageError for a folder that cannot be evaluated, InputError for one that is incomplete.
    """
    kinds = request.kinds()
    if request.truth is not None:
        read_photographs(request.truth)  # its faults are reported before any work
    known = KnownFacts.read(request.labels)
    if (run := _own_person(request)) is not None:
        left_out = age_left_out(run, _names([run])[0], request.leave_out, progress)
        return Gathered(left_out.material, left_out.material.methods[0].name, left_out.facts)
    if A_COMPARISON in kinds.values():
        return _comparison(request, known)
    if request.of_photos:
        return _photographs(request, known, progress)
    for folder in request.folders:
        if kinds[str(folder)] == PHOTOGRAPHS:
            raise UsageError(
                f"`{folder}` holds photos that were not aged",
                hint="give a personal run, a folder of `tm infer`, or folders of photographs alone",
            )
    folders, photos, truth = list(request.folders), None, request.truth
    if request.against is not None:
        if kinds[str(request.against)] != PHOTOGRAPHS:
            folders.append(request.against)
        else:
            photos = read_photos_of_person(request.against)
    methods: list[Method] = []
    sources: list[dict[str, Source]] = []
    trends: dict[str, IdentityTrend] = {}
    for folder, name in zip(folders, _names(folders), strict=True):
        results = folder
        if holds_run(folder):
            held_out = age_held_out(folder, compute, progress)
            results, photos = held_out.results, held_out.photos if photos is None else photos
            truth = held_out.truth if truth is None else truth
            if (trend := identity_trend(folder)) is not None:
                trends[name] = trend
        method, own = read_results(results, name, known)
        methods.append(method)
        sources.append(own)
    material = Material(
        " and ".join(method.name for method in methods), merged(sources), methods, photos=photos
    )
    subject = methods[0].name if len(request.folders) == 1 else None
    return Gathered(_with_truth(material, truth), subject, trends=trends)


def _own_person(request: EvalRequest) -> Path | None:
    """The run of `photo_personal` of a request; UsageError for one beside others."""
    folders = [*request.folders, *([request.against] if request.against is not None else [])]
    runs = [folder for folder in folders if holds_run(folder) and is_own_person(folder)]
    if not runs:
        if request.leave_out is not None:
            raise UsageError(
                "`--leave-out` repeats the training of a run of `photo/personal`, and none is given"
            )
        return None
    if len(folders) > 1 or request.truth is not None:
        raise UsageError(
            f"`{runs[0]}` is compared with the person's own photographs",
            hint="give it alone, without `--against` and `--truth`",
        )
    return runs[0]


def _photographs(request: EvalRequest, known: KnownFacts, progress: Progress) -> Gathered:
    """Folders of photographs; UsageError where the reference or the truth is something else."""
    folders, names = request.photo_folders(), request.set_names()
    if request.truth is not None:
        raise UsageError(
            "photographs are compared with a folder of photographs, not with a truth",
            hint="give it as the first folder, or by `--against`",
        )
    wrong = [folder for folder in folders if _kind(folder) != PHOTOGRAPHS]
    if wrong:
        raise UsageError(f"`{wrong[0]}` is {_kind(wrong[0])}, and the others are photographs")
    workers = cores() if request.workers is None else request.workers
    sets = [read_photo_set(one, known, progress, workers=workers) for one in folders]
    if len(sets) == 1:
        material = paired_within(sets[0], names[0])
    else:
        material = paired_sets(sets[0], list(zip(names[1:], sets[1:], strict=True)))
    unused = [
        {"folder": name, **one._asdict()}
        for name, own in zip(names, sets, strict=True)
        for one in own.unused
    ]
    for one in unused:
        progress.remark(f"left out: {one['folder']}/{one['file']}: {one['reason']}")
    subject = material.methods[0].name if len(material.methods) == 1 else None
    return Gathered(material, subject, {"unused": unused})


def _comparison(request: EvalRequest, known: KnownFacts) -> Gathered:
    folder, *others = request.folders
    if others or request.against is not None:
        raise UsageError(f"a folder with `{COMPARISON}` is a comparison already: give it alone")
    recipe = load_comparison(folder)
    read = [read_results(folder / place, name, known) for name, place in recipe.methods.items()]
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
    return "aged photos" if holds_results(folder) else PHOTOGRAPHS


def _names(folders: Sequence[Path]) -> list[str]:
    """The names of folders, with the folder above where two have the same name."""
    for parts in (1, 2):
        names = ["/".join(folder.resolve().parts[-parts:]) for folder in folders]
        if len(set(names)) == len(names):
            return names
    raise UsageError("one folder was given twice")
