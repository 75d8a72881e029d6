"""From a recipe and a request to what `tm relabel` does, and to a word on it beforehand."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.core.errors import TmError, UsageError
from engine.data.captions import EMBEDDINGS, INDEX
from engine.experts.base import ExpertTable
from engine.experts.captioning import JanusCaptioner
from engine.experts.kinds.janus import JanusExpert
from engine.relabel.captioning import CaptionPlan
from engine.relabel.judging import Judging
from engine.relabel.reading import FaceReading, are_aligned, told_aligned
from engine.relabel.recipe import RelabelRecipe
from engine.relabel.run import DOMAINS, RelabelPlan, beside, files_of, read_calibration
from engine.relabel.source import Job, jobs_of, read_labels
from engine.relabel.voting import HANDS, DomainSorter, Panel, PredictionRequest
from engine.runtime.device import Compute
from engine.runtime.pool import cores

FACES = {
    True: "aligned faces",
    False: "in each of which a face is looked for",
    None: "a few of which tell whether all are aligned faces",
}
"""What the pictures are, by what is known of it beforehand."""


@dataclass(frozen=True, slots=True)
class Request:
    """What the command line says beside the recipe."""

    source: Path
    out: Path
    report: Path | None = None
    manifest: Path | None = None
    experts: str | None = None
    labels: Path | None = None
    truth: Path | None = None
    calibration: str | None = None
    aligned: bool = False
    workers: int | None = None
    captions: Path | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The experts that are asked for, none for all."""
        if self.experts is None:
            return ()
        return tuple(name for part in self.experts.split(",") if (name := part.strip()))

    def check(self) -> None:
        """UsageError where the outputs cannot be what they are asked to be."""
        if self.out.suffix.lower() != ".json":
            raise UsageError(f"`{self.out}` must end in `.json`")
        if self.out.is_dir():
            raise UsageError(f"`{self.out}` is a folder, and the labels are a file")
        if self.captions is not None and self.captions.exists() and not self.captions.is_dir():
            raise UsageError(f"`{self.captions}` is a file, and the captions are a folder")
        if self.experts is not None and not self.names:
            raise UsageError("`--experts` names nobody", hint="write it as `mivolo,vgg16`")


def planned(recipe: RelabelRecipe, request: Request, compute: Compute) -> RelabelPlan:
    """Everything in place: pictures, experts, calibration; WeightsError where no expert is here."""
    request.check()
    device, tables = compute.device, recipe.chosen(request.names)
    jobs = _jobs(request)
    labels = read_labels(request.labels) if request.labels is not None else None
    truth = read_labels(request.truth) if request.truth is not None else None
    if truth is not None and truth.groups:
        raise UsageError(
            f"`{request.truth}` holds age groups, and a calibration takes ages in years",
            hint="give them as `--labels` to audit them",
        )
    loaded: dict[str, JanusExpert] = {}
    if request.captions is not None:  # first, since everything else may take hours
        writer = recipe.captioner()
        loaded[writer.name] = writer.load(device)
    panel = Panel.of(tables, device, loaded)
    reading = _reading(recipe, request)
    workers = cores() if request.workers is None else request.workers
    ballot = PredictionRequest(
        panel=panel,
        sorter=DomainSorter(None if recipe.domain == "auto" else recipe.domain, device),
        reading=reading,
        aligned=are_aligned(jobs, reading),
        batch=recipe.batch,
        workers=workers,
        hands=min(workers, HANDS) if panel.small and device.type == "cpu" else 1,
        compute=compute,
    )
    captions = None
    if request.captions is not None:
        captions = CaptionPlan(
            request.captions,
            jobs,
            JanusCaptioner(loaded[recipe.captioner().name], recipe.captions),
            reading=reading,
            aligned=ballot.aligned,
            batch=ballot.batch,
            workers=ballot.workers,
        )
        captions.require_own()
    name = recipe.calibration if request.calibration is None else request.calibration
    found = read_calibration(name, panel) if name else None
    judging = Judging(
        limits=recipe.limits,
        fusion=recipe.fusion,
        asked={one: sum(table.domain == one for table in tables) for one in DOMAINS},
        calibrations={} if found is None else {found.domain: found},
        attributes=recipe.attributes,
        labels=labels,
    )
    return RelabelPlan(
        jobs=jobs,
        out=request.out,
        ballot=ballot,
        judging=judging,
        truth=truth,
        fitting=recipe.fitting,
        curriculum=recipe.curriculum,
        report=request.report,
        manifest=request.manifest,
        captions=captions,
    )


def forecast(recipe: RelabelRecipe, request: Request) -> dict[str, Any]:
    """What would be looked at, by whom, and what would be written; nothing is loaded."""
    request.check()
    jobs = _jobs(request)
    files = files_of(request.out, fits=request.truth is not None)
    extra = [str(path) for path in (request.report, request.manifest) if path is not None]
    if request.captions is not None:
        extra += [str(request.captions / name) for name in (INDEX, EMBEDDINGS)]
    return {
        "pictures": len(jobs),
        "faces": FACES[told_aligned(jobs, _reading(recipe, request))],
        "experts": [_standing(table) for table in recipe.chosen(request.names)],
        "captions": None if request.captions is None else _standing(recipe.captioner()),
        "files": [*map(str, files), *extra],
    }


def _standing(table: ExpertTable) -> dict[str, Any]:
    why, hint = None, None
    try:
        table.place()
    except TmError as error:
        why, hint = str(error), error.hint
    return {
        "name": table.name,
        "domain": table.domain,
        "here": why is None,
        "why": why,
        "hint": hint,
        "cost": table.forecast(),
    }


def _reading(recipe: RelabelRecipe, request: Request) -> FaceReading:
    if not request.aligned:
        return recipe.faces
    return recipe.faces.model_copy(update={"pictures": "aligned"})


def _jobs(request: Request) -> tuple[Job, ...]:
    """The pictures of the source, without the diagrams of an earlier run into it."""
    own = beside(request.out).resolve()
    return tuple(j for j in jobs_of(request.source) if own not in j.path.resolve().parents)
