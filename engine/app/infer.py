"""`tm infer`: photos at other ages."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.core.batch import BatchReport
from engine.core.digest import settings_digest
from engine.core.progress import Progress, Silence
from engine.faces.choose import FaceChoice
from engine.inference.anchored import AnchorAger, anchors_of
from engine.inference.choose import ager_of
from engine.inference.folder import photos_of, reage_photos
from engine.inference.morph import Film
from engine.inference.plan import InferPlan, parse_ages
from engine.inference.recipe import InferRecipe, load_infer
from engine.nets.assemble import stamp_of
from engine.runtime.device import Compute, Device, choose
from engine.weights.find import find_weights
from engine.weights.load import read_checkpoint

__all__ = ["InferForecast", "InferRequest", "InferResult", "forecast_infer", "infer", "parse_ages"]


@dataclass(frozen=True, slots=True, kw_only=True)
class InferRequest:
    """Photos to age.

    Args:
        source: a photo, or a folder of them.
        out: folder of the portraits and of `results.jsonl`.
        ages: target ages in years, 0..120; every anchor of an AgeTransformer if None.
        weights: a checkpoint file, a run folder, or a name of `tm weights list`.
        strength: 0 renders the plain inversion, 1 the target age.
        size: side of the portraits in px; the generator's if None.
        coupled: also write input and portrait side by side.
        strip: also write all ages in a row.
        film: also write a film across the ages, as `gif` or `mp4`.
        aligned: the pictures are aligned faces already.
        paste: also write the photo with its new face.
        force: skip the checks of alignment and domain.
        device: `auto`, `cpu`, `cuda` or `mps`.
        recipe, settings: a recipe of kind `infer`, and overrides as `key=value`.
    """

    source: Path
    out: Path
    ages: tuple[float, ...] | None = None
    weights: str = "nano"
    strength: float = 1.0
    size: int | None = None
    coupled: bool = False
    strip: bool = False
    film: Film | None = None
    aligned: bool = False
    paste: bool = False
    force: bool = False
    device: Device = "auto"
    recipe: str = "infer/portrait"
    settings: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class InferForecast:
    """What `infer` would do."""

    photos: int
    ages: tuple[float, ...]
    compute: Compute


@dataclass(frozen=True, slots=True)
class InferResult:
    """What `infer` did."""

    report: BatchReport
    compute: Compute
    all_out_of_domain: bool
    """Whether no photo could be aged, with weights that refuse what they were not trained on."""


def infer(request: InferRequest, progress: Progress | None = None) -> InferResult:
    """Age every face of a folder to every target age, and write the portraits.

    A photo that cannot be used becomes a row with the reason; a second call works only on new and
    changed photos. Raises UsageError and RecipeError for the request, InputError for a source
    without pictures, WeightsError for weights that cannot be used.
    """
    progress = Silence() if progress is None else progress
    recipe, compute = _prepared(request, progress)
    file = find_weights(request.weights)
    checkpoint = read_checkpoint(file)
    ages = anchors_of(checkpoint).years if request.ages is None else request.ages
    stamp = settings_digest({"weights": stamp_of(file), "recipe": recipe.dump()})
    ager = ager_of(
        checkpoint,
        compute,
        edit=recipe.edit,
        strength=request.strength,
        noise=recipe.noise,
        batch=recipe.batch,
        shrunk=lambda n: progress.remark(f"memory ran out: continuing with {n} pictures at once"),
    )
    if isinstance(ager, AnchorAger):
        for age in ager.beyond(ages):
            progress.remark(f"the age {age:g} lies beyond the anchors: the nearest one is drawn")
    report = reage_photos(_plan(request, recipe, ages, stamp), ager, progress)
    refuses = ager.training_domain.ood_threshold is not None
    return InferResult(
        report, compute, refuses and report.count("skipped") > 0 and report.count("done") == 0
    )


def forecast_infer(request: InferRequest, progress: Progress | None = None) -> InferForecast:
    """Check a request and count its photos; nothing is written. Raises as `infer` does."""
    recipe, compute = _prepared(request, Silence() if progress is None else progress)
    ages = request.ages
    if ages is None:
        ages = anchors_of(read_checkpoint(find_weights(request.weights))).years
    return InferForecast(len(photos_of(_plan(request, recipe, ages))), ages, compute)


def _prepared(request: InferRequest, progress: Progress) -> tuple[InferRecipe, Compute]:
    """The recipe and the device, after the checks that need no weights."""
    recipe = load_infer(request.recipe, request.settings)
    if request.ages is not None:
        photos_of(_plan(request, recipe, request.ages))
    compute = choose(request.device, recipe.precision)
    if not 0 <= request.strength <= 1:
        progress.remark(f"the strength {request.strength:g} is outside 0..1: it extrapolates")
    return recipe, compute


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
        choice=FaceChoice.parse(recipe.face),
        detection=recipe.detection,
        morphing=recipe.morphing,
        truth=Path(recipe.truth) if recipe.truth is not None else None,
        settings=stamp,
    )
