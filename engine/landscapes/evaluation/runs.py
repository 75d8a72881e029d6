"""Runs of landscapes as `tm eval` judges them: the generators, and scenes that none has met."""

from pathlib import Path
from typing import NamedTuple

import torch

from engine.config.load import load_recipe
from engine.core.digest import file_sha256
from engine.core.errors import UsageError
from engine.core.progress import Progress
from engine.data.landscapes import Landscapes, WorldPlan, rendered
from engine.landscapes.evaluation.evaluate import EvaluatedRun, EvaluationMaterial
from engine.landscapes.inference.sheets import in_parts
from engine.landscapes.metrics.va_regression import ColorStatisticsRegression, Judge
from engine.landscapes.nets.evaluator import VaEvaluator
from engine.landscapes.nets.generator import LandscapeGenerator
from engine.landscapes.training.data import LandscapeSource, gathered
from engine.landscapes.training.recipe import LandscapeRecipe, LandscapeVaeRecipe
from engine.nets.loading import frozen
from engine.nets.named import frozen_net
from engine.training.run_folder import RECIPE
from engine.weights.find import find_weights
from engine.weights.load import read_checkpoint
from engine.worlds.landscapes.seeds import JUDGE, TEST_START

PaintingRecipe = LandscapeRecipe | LandscapeVaeRecipe


class Scenes(NamedTuple):
    """How many scenes of the world a report looks at, and how many a judge is fitted to."""

    test: int
    judge: int


SCENES = Scenes(1_000, 1_000)


def is_landscape_run(folder: Path) -> bool:
    """Whether the run trains a generator of landscapes."""
    return isinstance(load_recipe(folder / RECIPE), PaintingRecipe)


def gathered_landscapes(
    folders: list[Path],
    device: torch.device,
    progress: Progress,
    scenes: Scenes | None = None,
) -> EvaluationMaterial:
    """The generators of runs, and what they are judged by: that of the first run's recipe.

    UsageError for runs whose pictures differ in size or in what they are of.
    """
    recipes = [_recipe(folder) for folder in folders]
    first = recipes[0]
    for folder, other in zip(folders, recipes, strict=True):
        if (other.learn.size, other.photos) != (first.learn.size, first.photos):
            raise UsageError(
                f"`{folder}` paints other pictures than `{folders[0]}`: judge it alone"
            )
    contestants = [
        _contestant(folder, recipe, device) for folder, recipe in zip(folders, recipes, strict=True)
    ]
    source = first.source()
    wanted = SCENES if scenes is None else scenes
    learn, check, known = _landscapes(source, wanted, progress)
    judge, evaluated_by = _judge(first, known, device)
    return EvaluationMaterial(
        contestants, learn, check, judge, evaluated_by, first.photos is not None
    )


def _recipe(folder: Path) -> PaintingRecipe:
    recipe = load_recipe(folder / RECIPE)
    if not isinstance(recipe, PaintingRecipe):
        raise UsageError(f"`{folder}` is a run of kind `{recipe.kind}`, which paints no landscapes")
    return recipe


def _contestant(folder: Path, recipe: PaintingRecipe, device: torch.device) -> EvaluatedRun:
    file = find_weights(str(folder))
    state = {key: value.clone() for key, value in read_checkpoint(file).part("generator").items()}
    net = frozen(LandscapeGenerator.from_state(state).to(device))
    warm = isinstance(recipe, LandscapeVaeRecipe)
    return EvaluatedRun(folder.resolve().name, net, file_sha256(file), warm)


def _landscapes(
    source: LandscapeSource, scenes: Scenes, progress: Progress
) -> tuple[Landscapes, Landscapes, Landscapes]:
    """Those learned from, those that nothing has met, and those that a judge may be fitted to."""
    if source.photos is not None:
        data = gathered(source, progress)
        return data.learn, data.check, data.learn
    size = source.learn.size
    plans = (
        source.learn,
        WorldPlan(first=TEST_START, count=scenes.test, size=size),
        WorldPlan(first=JUDGE.start, count=scenes.judge, size=size),
    )
    learn, check, known = (rendered(plan, progress) for plan in plans)
    return learn, check, known


def _judge(recipe: PaintingRecipe, known: Landscapes, device: torch.device) -> tuple[Judge, str]:
    """The network of the recipe, else a ridge on colours."""
    if isinstance(recipe, LandscapeRecipe) and recipe.judge is not None:
        net = frozen_net(VaEvaluator.from_state, recipe.judge, "judge").to(device)
        return lambda pictures: in_parts(net, device, pictures), recipe.judge
    rows = range(len(known))
    return ColorStatisticsRegression.fitted(
        known.tensor(rows), known.place(rows)
    ), "a ridge on colours"
