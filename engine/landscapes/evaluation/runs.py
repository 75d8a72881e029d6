"""The evaluation of landscape runs: their generators, and scenes that none was trained on."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch

from engine.config.load import load_recipe
from engine.core.digest import file_sha256
from engine.core.errors import UsageError
from engine.core.progress import Progress
from engine.data.landscapes import Landscapes, WorldPlan, rendered
from engine.landscapes.evaluation.evaluate import (
    EvaluatedRun,
    EvaluationMaterial,
    evaluate_landscapes,
)
from engine.landscapes.evaluation.expected import expected_curves
from engine.landscapes.evaluation.page import save_landscape_evaluation
from engine.landscapes.inference.batches import in_batches
from engine.landscapes.inference.render import generator_of
from engine.landscapes.metrics.va_regression import RIDGE, ColorStatisticsRegression, VaPredictor
from engine.landscapes.nets.structure import StructureEvaluator
from engine.landscapes.trainings.adversarial.recipe import LandscapeRecipe
from engine.landscapes.trainings.autoencoder.recipe import LandscapeVaeRecipe
from engine.landscapes.trainings.base import GeneratorRecipe
from engine.landscapes.trainings.data import LandscapeSource
from engine.landscapes.trainings.evaluators import (
    load_structure_evaluator,
    load_va_evaluator,
)
from engine.training.run_folder import RECIPE, RunFolder
from engine.weights.find import find_weights
from engine.weights.load import read_checkpoint
from engine.worlds.landscapes.seeds import TEST_START
from engine.worlds.landscapes.seeds import VA_EVALUATOR as EVALUATOR_SEEDS


class Scenes(NamedTuple):
    """Numbers of rendered scenes: for the test, and to fit the ridge regression."""

    test: int
    fit: int


SCENES = Scenes(1_000, 1_000)


def is_landscape_run(folder: Path) -> bool:
    """Whether the run trains a landscape generator."""
    return isinstance(load_recipe(folder / RECIPE), GeneratorRecipe)


def evaluate_landscape_runs(
    folders: Sequence[Path], out: Path, device: torch.device, progress: Progress, *, command: str
) -> dict[str, Any]:
    """Evaluate the generators of runs, and write a report with pictures.

    Args:
        folders: Run folders; the first is the subject, which is compared with the others.
        out: The folder for `report.json`, `report.html` and a PNG sheet per run.
        device: Where the generators run.
        progress: Gets the progress of rendering and evaluating.
        command: The command that reproduces the report, stated in it.

    Returns:
        The report, as in `report.json`.

    Raises:
        UsageError: A folder holds no run of a landscape generator, or two runs differ in image size
            or data.
        WeightsError: A run has no weights yet.
    """
    evaluation = evaluate_landscapes(read_runs(folders, device, progress), device, progress)
    for folder in folders:
        row = evaluation.report[folder.resolve().name]
        row["expected"] = expected_curves(folder, _recipe(folder))
    save_landscape_evaluation(evaluation, out, command=command)
    return evaluation.report


def read_runs(
    folders: Sequence[Path],
    device: torch.device,
    progress: Progress,
    scenes: Scenes | None = None,
) -> EvaluationMaterial:
    """The generators of runs, and the landscapes and the VA predictor of the first run's recipe."""
    recipes = [_recipe(folder) for folder in folders]
    first = recipes[0]
    for folder, other in zip(folders, recipes, strict=True):
        if (other.data.train.size, other.photos) != (first.data.train.size, first.photos):
            raise UsageError(
                f"`{folder}` and `{folders[0]}` differ in image size or data: evaluate one alone"
            )
    runs = [_run(folder, recipe, device) for folder, recipe in zip(folders, recipes, strict=True)]
    scenes = SCENES if scenes is None else scenes
    train, test, fit = _landscapes(first.source, scenes, progress)
    predictor, evaluated_by = _predictor(first, fit, device)
    structure = _structure_evaluator(first, device)
    return EvaluationMaterial(
        runs, train, test, predictor, evaluated_by, first.photos is not None, structure
    )


def _recipe(folder: Path) -> GeneratorRecipe:
    recipe = load_recipe(folder / RECIPE)
    if not isinstance(recipe, GeneratorRecipe):
        raise UsageError(f"`{folder}` is a run of kind `{recipe.kind}`, without a generator")
    return recipe


def _run(folder: Path, recipe: GeneratorRecipe, device: torch.device) -> EvaluatedRun:
    file = find_weights(str(folder))
    RunFolder(folder).environment().require_worlds(recipe.worlds(), folder)
    checkpoint = read_checkpoint(file)
    net = generator_of(checkpoint, device)
    warm_start = isinstance(recipe, LandscapeVaeRecipe)
    return EvaluatedRun(folder.resolve().name, net, file_sha256(file), warm_start)


def _landscapes(
    source: LandscapeSource, scenes: Scenes, progress: Progress
) -> tuple[Landscapes, Landscapes, Landscapes]:
    """Training landscapes, test landscapes, and those that the ridge regression is fitted to."""
    if source.photos is not None:
        sets = source.load(progress)
        return sets.train, sets.validation, sets.train
    train = source.settings.train
    plans = (
        train,
        WorldPlan(first=TEST_START, count=scenes.test, size=train.size),
        WorldPlan(first=EVALUATOR_SEEDS.start, count=scenes.fit, size=train.size),
    )
    known, test, fit = (rendered(plan, progress) for plan in plans)
    return known, test, fit


def _predictor(
    recipe: GeneratorRecipe, fit: Landscapes, device: torch.device
) -> tuple[VaPredictor, str]:
    """The VA evaluator of the recipe and its name, else a ridge regression on colours."""
    if isinstance(recipe, LandscapeRecipe) and (name := recipe.networks.va_evaluator) is not None:
        net = load_va_evaluator(name, drawn=recipe.photos is None).to(device)
        return lambda pictures: in_batches(net, device, pictures), name
    rows = range(len(fit))
    return ColorStatisticsRegression.fitted(fit.tensor(rows), fit.va_of(rows)), RIDGE


def _structure_evaluator(
    recipe: GeneratorRecipe, device: torch.device
) -> tuple[str, StructureEvaluator] | None:
    """The structure evaluator of the recipe under its name, if it names one."""
    if not isinstance(recipe, LandscapeRecipe) or recipe.photos is not None:
        return None
    name = recipe.networks.structure_evaluator
    return None if name is None else (name, load_structure_evaluator(name).to(device))
