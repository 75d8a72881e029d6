"""`tm enhance`: old photos to training quality, and the audit of its results."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.core.batch import BatchReport
from engine.core.dry_run import checks_only
from engine.core.errors import InputError
from engine.core.licences import licensed
from engine.core.progress import Progress, Silence
from engine.enhance.audit import Audit, audit_folder
from engine.enhance.base import StepChoice
from engine.enhance.folder import RECIPE, enhance_folder
from engine.enhance.plan import EnhancePlan, pictures_of
from engine.enhance.recipe import EnhanceRecipe, load_enhance
from engine.runtime.device import Compute, Device, choose
from engine.runtime.pool import cores
from engine.weights.folder import instructions_for
from engine.weights.manifest import known_weights
from engine.weights.terms import licence_of, require_terms


@dataclass(frozen=True, slots=True, kw_only=True)
class EnhanceRequest:
    """Photos to enhance.

    Args:
        source: a photo, or a folder of them.
        out: folder of the results, their sidecars and their manifest.
        steps: names with commas that replace the steps of the recipe.
        strength: 0..1, of every step; the recipe's if None.
        outscale: how many times larger `esrgan` makes a picture; the recipe's if None.
        guard: reduce the strength of steps that change identity or age.
        workers: processes on a CPU; one for each core if None.
        device: `auto`, `cpu`, `cuda` or `mps`.
        recipe, settings: a recipe of kind `enhance`, and overrides as `key=value`.
    """

    source: Path
    out: Path
    steps: str | None = None
    strength: float | None = None
    outscale: int | None = None
    guard: bool = True
    workers: int | None = None
    device: Device = "auto"
    recipe: str = "enhance/old_photo"
    settings: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class EnhanceForecast:
    """What `enhance` would do; models as in `EnhanceResult`."""

    pictures: int
    models: tuple[dict[str, Any], ...]
    compute: Compute


@dataclass(frozen=True, slots=True)
class EnhanceResult:
    """What `enhance` did.

    models: for each step its name (`step`), its weights (`model`), their `licence`, whether a small
    network of the package stands in (`stand_in`), for which published weights (`for`), and the
    network that drawn portraits get, where it is another one (`drawn`, else None).
    """

    report: BatchReport
    models: tuple[dict[str, Any], ...]


def enhance(request: EnhanceRequest, progress: Progress | None = None) -> EnhanceResult:
    """Colourise, enlarge and restore photos; the guard keeps identity and age of every face.

    A photo that cannot be used becomes a row with the reason; a second call works only on new and
    changed photos. Raises UsageError and RecipeError for the request, InputError for a source
    without pictures, WeightsError for weights that cannot be used.
    """
    progress = Silence() if progress is None else progress
    with licensed(_recipe(request).licences):
        plan, models, _ = _prepared(request, progress)
        workers = cores() if request.workers is None else request.workers
        report = enhance_folder(plan, progress, workers=workers)
    return EnhanceResult(report, models)


def forecast_enhance(request: EnhanceRequest, progress: Progress | None = None) -> EnhanceForecast:
    """Check a request and count its photos; nothing is written. Raises as `enhance` does."""
    progress = Silence() if progress is None else progress
    with licensed(_recipe(request).licences):
        plan, models, compute = _prepared(request, progress)
        plan.chain()
        with checks_only():
            enhance_folder(plan, progress)
    return EnhanceForecast(len(pictures_of(plan)), models, compute)


def audit_results(
    folder: Path,
    *,
    steps: str | None = None,
    strength: float | None = None,
    outscale: int | None = None,
    guard: bool = True,
    device: Device = "auto",
    recipe: str | None = None,
    settings: Sequence[str] = (),
    progress: Progress | None = None,
) -> Audit:
    """Check the `out` of an earlier `enhance`: digests, orphans, stale results, reproducibility.

    recipe: the one to compare with, that of the folder if None; the others as in `EnhanceRequest`.
    Raises InputError for a folder without results, and as `enhance` does for the recipe.
    """
    own = folder / RECIPE
    if not own.is_file():
        raise InputError(f"`{folder}` holds no results of `tm enhance`: no {RECIPE}")
    request = EnhanceRequest(
        source=folder,
        out=folder,
        steps=steps,
        strength=strength,
        outscale=outscale,
        guard=guard,
        recipe=str(own) if recipe is None else recipe,
        settings=settings,
    )
    plan = EnhancePlan.of(_recipe(request), folder, folder, choose(device))
    return audit_folder(plan, Silence() if progress is None else progress)


def _recipe(request: EnhanceRequest) -> EnhanceRecipe:
    overrides = [*request.settings, *([] if request.guard else ["guard.on=false"])]
    return load_enhance(
        request.recipe,
        overrides,
        steps=request.steps,
        strength=request.strength,
        outscale=request.outscale,
    )


def _prepared(
    request: EnhanceRequest, progress: Progress
) -> tuple[EnhancePlan, tuple[dict[str, Any], ...], Compute]:
    recipe, compute = _recipe(request), choose(request.device)
    plan = EnhancePlan.of(recipe, request.source, request.out, compute)
    models = tuple(_model(choice) for choice in recipe.steps)
    missing = ", ".join(f"`{model['for']}`" for model in models if model["stand_in"])
    if missing:
        progress.remark(
            f"the weights {missing} are missing: small networks for drawn portraits stand in "
            "(`tm weights list` says where to get the published ones)"
        )
    absent = [
        choice.packaged
        for choice, model in zip(recipe.steps, models, strict=True)
        if model["stand_in"] and choice.packaged is not None
    ]
    for name in absent:
        progress.remark(f"for photographs {instructions_for(known_weights()[name])}")
    return plan, models, compute


def _model(choice: StepChoice) -> dict[str, Any]:
    (name, path), (drawn, _) = choice.file("photos"), choice.file("portraits")
    require_terms(path, name)
    return {
        "step": choice.kind,
        "model": name,
        "licence": licence_of(path, name),
        "stand_in": choice.weights is None and name == choice.shipped,
        "for": choice.published[0],
        "drawn": None if drawn == name else drawn,
    }
