"""`tm infer`: photos at other ages."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import wraps
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from engine.app.infer_clip import frame_methods, require_clip_options
from engine.app.infer_grid import folder_of, save_grids
from engine.core.batch import BatchReport
from engine.core.dry_run import checks_only
from engine.core.errors import UsageError
from engine.core.licences import licensed
from engine.core.progress import Progress, Silence
from engine.data.faces import FaceSource
from engine.faces.choose import FaceChoice
from engine.inference.folder import Spread, photos_of, reage_photos
from engine.inference.models import Models
from engine.inference.morph import Film
from engine.inference.plan import InferPlan, parse_ages
from engine.inference.recipe import InferRecipe, load_infer
from engine.inference.source_age import known_ages
from engine.inference.spread import Once, processes_for, spread_over
from engine.runtime.device import Compute, Device, choose
from engine.runtime.pool import cores
from engine.video.clip import is_clip
from engine.video.preview import preview_clip
from engine.video.run import CRF, ClipPlan, age_clip

__all__ = ["InferForecast", "InferRequest", "InferResult", "forecast_infer", "infer", "parse_ages"]

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True, kw_only=True)
class InferRequest:
    """Photos to age.

    Args:
        source: a photo, a folder of them, or a clip.
        out: folder of the portraits and of `results.jsonl`.
        ages: target ages in years, 0..120; every anchor of an AgeTransformer if None.
        age: the person's age in the photos, in years; else looked up, or estimated.
        weights: a checkpoint file, a run folder, or a name of `tm weights list`; if None, `nano`
            for drawn portraits, and for photographs `sam` where it is here, else `photo`.
        strength: 0 renders the plain inversion, or the photograph itself; 1 the target age.
        size: side of the portraits in px, of whole photographs the long one; as made if None.
        face: which face of a photo: `largest`, a number, or `like:PHOTO`; the recipe's if None.
        landmarks: what fits the 68 points: `dlib`, `mesh`, a model file for dlib, or a table of
            known points; the recipe's if None.
        coupled: also write input and portrait side by side.
        strip: also write all ages in a row.
        film: also write a film across the ages, as `gif` or `mp4`.
        aligned: the pictures are aligned faces already.
        paste: also write the photo with its new face.
        force: skip the checks of alignment and domain.
        device: `auto`, `cpu`, `cuda` or `mps`.
        most: photos of a folder that are aged, in order of their names; all if None.
        workers: processes that age a folder of photographs by the photo model; one a core if None.
        recipe, settings: a recipe of kind `infer`, and overrides as `key=value`.
        crf: of a clip, the encoder's quality, 0..51, less is better.
        watermark: write on every frame of a clip that it is synthetic.
        preview: of a clip, write only a strip of this many frames.
    """

    source: Path
    out: Path
    ages: tuple[float, ...] | None = None
    age: float | None = None
    weights: str | None = None
    strength: float = 1.0
    size: int | None = None
    face: str | None = None
    landmarks: str | Path | None = None
    coupled: bool = False
    strip: bool = False
    film: Film | None = None
    aligned: bool = False
    paste: bool = False
    force: bool = False
    device: Device = "auto"
    most: int | None = None
    workers: int | None = None
    recipe: str = "infer/portrait"
    settings: Sequence[str] = ()
    crf: int = CRF
    watermark: bool = False
    preview: int | None = None


@dataclass(frozen=True, slots=True)
class InferForecast:
    """What `infer` would do."""

    photos: int
    ages: tuple[float, ...]
    compute: Compute
    models: tuple[str, ...]
    """Which models it may use, a line for each kind of picture."""
    what: str = "photos"


@dataclass(frozen=True, slots=True)
class InferResult:
    """What `infer` did."""

    report: BatchReport
    compute: Compute
    models: tuple[str, ...]
    """Which models were used, a line for each kind of picture."""
    all_out_of_domain: bool
    """Whether no photo could be aged, with weights that refuse what they were not trained on."""


def _by_licences(
    work: Callable[Concatenate[InferRequest, P], R],
) -> Callable[Concatenate[InferRequest, P], R]:
    """The same with the weights alone that the recipe's `licences` accept."""

    @wraps(work)
    def limited(request: InferRequest, *args: P.args, **options: P.kwargs) -> R:
        with licensed(load_infer(request.recipe, request.settings).licences):
            return work(request, *args, **options)

    return limited


@_by_licences
def infer(request: InferRequest, progress: Progress | None = None) -> InferResult:
    """Age every face of a folder to every target age, and write the portraits.

    A photo that cannot be used becomes a row with the reason; a second call works only on new and
    changed photos. Raises UsageError and RecipeError for the request, InputError for a source
    without pictures, WeightsError for weights that cannot be used.
    """
    progress = Once(Silence() if progress is None else progress)
    if is_clip(request.source):
        return _clip(request, progress)
    _require_no_clip(request)
    strengths = load_infer(request.recipe, request.settings).strengths
    if strengths:
        return _at_strengths(request, strengths, progress)
    return _aged(request, _prepared(request, progress), progress)


def _aged(request: InferRequest, models: Models, progress: Progress) -> InferResult:
    plan = _plan(request, models.recipe, models.ages(request.ages), models.stamp)
    workers = cores() if request.workers is None else request.workers

    def spread(photos: int) -> Spread | None:
        processes = processes_for(photos, workers, models)
        if processes == 1:
            return None
        return spread_over(processes, models, plan, request.strength, progress)

    method = models.method(plan, request.strength)
    report = reage_photos(plan, method, progress, spread=spread)
    refuses = request.weights is not None and any(
        ager.training_domain.ood_threshold is not None for ager in models.agers
    )
    none_done = report.count("skipped") > 0 and report.count("done") == 0
    return InferResult(report, models.compute, tuple(models.lines), refuses and none_done)


def _clip(request: InferRequest, progress: Progress) -> InferResult:
    """The clip of a request at its ages."""
    require_clip_options(request)
    models = _prepared(request, progress)
    if models.recipe.strengths:
        raise UsageError("several strengths are for photos", hint="`--strength 0.5` for a clip")
    plan = _plan(request, models.recipe, models.ages(request.ages), models.stamp)
    how = ClipPlan(request.crf, request.watermark)
    make = frame_methods(models, plan, request.strength)
    if request.preview is None:
        report = age_clip(plan, how, make, progress)
    else:
        report = preview_clip(plan, request.preview, make, progress)
    return InferResult(report, models.compute, tuple(models.lines), all_out_of_domain=False)


def _at_strengths(
    request: InferRequest, strengths: Sequence[float], progress: Progress
) -> InferResult:
    """The photos at every strength in a folder of its own, and a grid of each photo."""
    settings = (*request.settings, "strengths=[]")
    results = [
        infer(
            replace(request, out=folder_of(request.out, one), strength=one, settings=settings),
            progress,
        )
        for one in dict.fromkeys(strengths)
    ]
    rows = [row for result in results for row in result.report.rows]
    ages = request.ages if request.ages is not None else _anchors(request, progress)
    save_grids(request.out, list(dict.fromkeys(strengths)), ages)
    report = BatchReport(tuple(rows), sum(result.report.kept for result in results))
    return replace(
        results[0],
        report=report,
        all_out_of_domain=all(result.all_out_of_domain for result in results),
    )


def _anchors(request: InferRequest, progress: Progress) -> tuple[float, ...]:
    return _prepared(request, progress).ages(None)


@_by_licences
def forecast_infer(request: InferRequest, progress: Progress | None = None) -> InferForecast:
    """Check a request and count its photos; nothing is written. Raises as `infer` does."""
    progress = Silence() if progress is None else progress
    clip = is_clip(request.source)
    if not clip:
        _require_no_clip(request)
    models = _prepared(request, progress)
    models.require_readable()
    with checks_only():
        if clip:
            _clip(request, progress)
        else:
            _aged(request, models, progress)
    ages = models.ages(request.ages)
    lines = tuple(models.forecast())
    if clip:
        return InferForecast(1, ages, models.compute, lines, "clips")
    photos = len(photos_of(_plan(request, models.recipe, ages)))
    return InferForecast(photos, ages, models.compute, lines)


def _prepared(request: InferRequest, progress: Progress) -> Models:
    """The models and the device, after the checks that need no weights."""
    recipe = load_infer(request.recipe, request.settings)
    if request.ages is not None and not is_clip(request.source):
        photos_of(_plan(request, recipe, request.ages))
    compute = choose(request.device, recipe.precision)
    if not 0 <= request.strength <= 1:
        progress.remark(f"the strength {request.strength:g} is outside 0..1: it extrapolates")
    return Models.of(request.weights, recipe, compute, progress)


def _require_no_clip(request: InferRequest) -> None:
    """UsageError for what only clips have."""
    clips = {"--watermark": request.watermark, "--preview": request.preview is not None}
    if odd := [name for name, asked in clips.items() if asked]:
        raise UsageError(f"`{odd[0]}` is for a clip, and `{request.source}` is none")


def _one_face(text: str) -> FaceChoice:
    """The face that is aged; UsageError for all of them."""
    choice = FaceChoice.parse(text)
    if choice.kind == "all":
        raise UsageError(
            "one face of a photo is aged at a time",
            hint="`--face 2` takes the second largest; `tm prep align SRC OUT --face all` cuts out"
            " all of them, and `tm infer OUT` ages these",
        )
    return choice


def _plan(
    request: InferRequest, recipe: InferRecipe, ages: tuple[float, ...], stamp: str = ""
) -> InferPlan:
    return InferPlan(
        source=request.source,
        out=request.out,
        ages=ages,
        strength=request.strength,
        size=request.size,
        coupled=request.coupled,
        strip=request.strip,
        film=request.film,
        aligned=request.aligned,
        paste=request.paste,
        force=request.force,
        evaluate=recipe.evaluate,
        choice=_one_face(recipe.face if request.face is None else request.face),
        faces=FaceSource.of(recipe.detection, request.landmarks),
        morphing=recipe.morphing,
        truth=Path(recipe.truth) if recipe.truth is not None else None,
        age=request.age,
        most=request.most,
        known_ages=known_ages(request.source, recipe.born),
        settings=stamp,
    )
