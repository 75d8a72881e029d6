"""`tm relabel` as a function: ages by a mixture of experts."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from engine.core.dry_run import checks_only
from engine.core.errors import TmError, UsageError
from engine.core.licences import licensed
from engine.core.progress import Progress, Silence
from engine.core.regular import real
from engine.data.captions import EMBEDDINGS, INDEX
from engine.data.counterparts import Counterparts
from engine.data.domains import DOMAINS
from engine.evaluators.drawn import DomainClassifier
from engine.experts.base import ExpertTable
from engine.experts.captioning import JanusCaptioner
from engine.experts.kinds.janus import JanusExpert
from engine.relabel.calibrations import read_calibrations
from engine.relabel.captioning import CaptionPlan
from engine.relabel.decisions import DecisionRules
from engine.relabel.faces import FaceReading, are_aligned, declared_aligned
from engine.relabel.inference import INFERENCE_WORKERS, Ensemble, PredictionRequest
from engine.relabel.recipe import RelabelRecipe, load_relabel
from engine.relabel.run import (
    CALIBRATION,
    RelabelPlan,
    RelabelReport,
    files_folder,
    output_files,
    run_plan,
)
from engine.relabel.source import Job, jobs_of, read_reference_labels
from engine.runtime.device import Device, choose
from engine.runtime.pool import cores

FACES = {
    True: "aligned faces",
    False: "photographs, in each of which a face is detected",
    None: "aligned faces or photographs, by a few of them",
}
"""What the pictures are, by what is known before reading them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RelabelRequest:
    """What is relabelled, by which experts, and which files are written.

    source: a folder of faces or photographs, a manifest, or one picture; out: `labels.json`;
    report: a CSV by age group; manifest: a training manifest of the kept faces; enhanced: a folder
    of pictures made of them, which the manifest (`<out>_manifest.jsonl` if None) pairs with them;
    captions: the folder of a caption cache; labels: reference labels to audit; truth: true ages to
    calibrate by;
    experts: names from the recipe, none for all; calibration: a file that `truth` wrote in place of
    the recipe's; aligned: every picture is an aligned face; workers: processes that read faces.
    """

    source: Path
    out: Path
    report: Path | None = None
    manifest: Path | None = None
    enhanced: Path | None = None
    captions: Path | None = None
    labels: Path | None = None
    truth: Path | None = None
    experts: Sequence[str] | None = None
    calibration: str | None = None
    aligned: bool = False
    workers: int | None = None
    recipe: str = "relabel/moe"
    settings: Sequence[str] = ()
    """`key=value` on top of the recipe."""
    device: Device = "auto"

    @property
    def manifest_file(self) -> Path | None:
        """Where the training manifest is written, None if nowhere."""
        if self.manifest is None and self.enhanced is not None:
            return self.out.with_name(f"{self.out.stem}_manifest.jsonl")
        return self.manifest

    @property
    def calibration_file(self) -> Path:
        """Where a calibration by `truth` is written."""
        return files_folder(self.out) / CALIBRATION

    def load_recipe(self) -> RelabelRecipe:
        """The recipe with its settings; UsageError for outputs that cannot be written."""
        if self.out.suffix.lower() != ".json":
            raise UsageError(f"`{self.out}` must end in `.json`")
        if self.out.is_dir():
            raise UsageError(f"`{self.out}` is a folder, and the labels are a file")
        if self.captions is not None and self.captions.exists() and not self.captions.is_dir():
            raise UsageError(f"`{self.captions}` is a file, and the captions are a folder")
        if self.experts is not None and not self.experts:
            raise UsageError("`--experts` names no expert", hint="write it as `mivolo,vgg16`")
        return load_relabel(self.recipe, self.settings)


def relabel(request: RelabelRequest, progress: Progress | None = None) -> RelabelReport:
    """Predict, fuse and label every picture, and write the files of the request.

    UsageError for a faulty request, InputError where no picture has an age, WeightsError where no
    expert is here.
    """
    with licensed(request.load_recipe().licences):
        return run_plan(plan_relabel(request), Silence() if progress is None else progress)


def preview_relabel(request: RelabelRequest) -> tuple[dict[str, Any], TmError | None]:
    """The pictures, experts and files of a request, and what would end `relabel` at its start.

    Networks that need much memory (Janus) are looked for and not loaded. Raises as `relabel` does
    for what cannot be previewed.
    """
    recipe = request.load_recipe()
    jobs = _jobs(request)
    files = output_files(request.out, fits=request.truth is not None)
    files += [path for path in (request.report, request.manifest_file) if path is not None]
    if request.captions is not None:
        files += [request.captions / name for name in (INDEX, EMBEDDINGS)]
    record = {
        "pictures": len(jobs),
        "faces": FACES[declared_aligned(jobs, _reading(recipe, request))],
        "experts": [_availability(table) for table in recipe.chosen(request.experts or ())],
        "captions": None if request.captions is None else _availability(recipe.captioner()),
        "files": [str(path) for path in files],
    }
    return record, _fault(request, recipe)


def _fault(request: RelabelRequest, recipe: RelabelRecipe) -> TmError | None:
    tables = recipe.chosen(request.experts or ())
    light = [table.name for table in tables if not table.cost()]
    try:
        if request.captions is not None:
            recipe.captioner().path()
        if not light:
            tables[0].path()
            return None
        with checks_only():
            relabel(replace(request, experts=light, captions=None))
    except TmError as error:
        return error
    return None


def plan_relabel(request: RelabelRequest) -> RelabelPlan:
    """Read and load everything that a request needs; WeightsError where no expert is here."""
    recipe = request.load_recipe()
    compute = choose(request.device, recipe.precision)
    device, tables = compute.device, recipe.chosen(request.experts or ())
    jobs = _jobs(request)
    labels = read_reference_labels(request.labels) if request.labels is not None else None
    truth = read_reference_labels(request.truth) if request.truth is not None else None
    if truth is not None and truth.groups:
        raise UsageError(
            f"`{request.truth}` holds age groups, and a calibration needs ages in years",
            hint="give them as `--labels` to audit them",
        )
    loaded: dict[str, JanusExpert] = {}
    if request.captions is not None:  # first, since everything else may take hours
        captioner = recipe.captioner()
        loaded[captioner.name] = captioner.load(device)
    ensemble = Ensemble.load(tables, device, loaded)
    reading = _reading(recipe, request)
    workers = cores() if request.workers is None else request.workers
    parallel = ensemble.small and device.type == "cpu"
    inference = PredictionRequest(
        ensemble=ensemble,
        domain=DomainClassifier(device) if recipe.domain == "auto" else recipe.domain,
        reading=reading,
        aligned=are_aligned(jobs, reading),
        batch=recipe.batch,
        workers=workers,
        inference_workers=min(workers, INFERENCE_WORKERS) if parallel else 1,
        compute=compute,
    )
    captions = None
    if request.captions is not None:
        captions = CaptionPlan(
            request.captions,
            jobs,
            JanusCaptioner(loaded[recipe.captioner().name], recipe.captions),
            reading=reading,
            aligned=inference.aligned,
            batch=inference.batch,
            workers=workers,
        )
        captions.require_same_maker()
    name = recipe.calibration if request.calibration is None else request.calibration
    rules = DecisionRules(
        limits=recipe.limits,
        fusion=recipe.fusion,
        loaded={one: len(ensemble.of_domain(one)) for one in DOMAINS},
        calibrations=read_calibrations(name, ensemble) if name else {},
        attributes=recipe.attributes,
        labels=labels,
    )
    return RelabelPlan(
        jobs=jobs,
        source=request.source,
        out=request.out,
        inference=inference,
        rules=rules,
        truth=truth,
        fitting=recipe.fitting,
        sampling=recipe.sampling,
        report=request.report,
        manifest=request.manifest_file,
        enhanced=None if request.enhanced is None else Counterparts(request.enhanced),
        captions=captions,
    )


def _availability(table: ExpertTable) -> dict[str, Any]:
    reason, hint = None, None
    try:
        table.path()
    except TmError as error:
        reason, hint = str(error), error.hint
    return {
        "name": table.name,
        "domain": table.domain,
        "here": reason is None,
        "why": reason,
        "hint": hint,
        "cost": table.cost(),
    }


def _reading(recipe: RelabelRecipe, request: RelabelRequest) -> FaceReading:
    if not request.aligned:
        return recipe.faces
    return recipe.faces.model_copy(update={"pictures": "aligned"})


def _jobs(request: RelabelRequest) -> tuple[Job, ...]:
    """The pictures of the source, without the diagrams of an earlier run into it."""
    own = real(files_folder(request.out))
    return tuple(j for j in jobs_of(request.source) if own not in real(j.path).parents)
