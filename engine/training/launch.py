"""From a recipe to a run, and from a run to the rest of it."""

from collections.abc import Callable, Mapping
from pathlib import Path

import torch

from engine.config.load import load_recipe_as
from engine.config.write import recipe_toml
from engine.core.digest import file_sha256
from engine.core.errors import RecipeError, UsageError
from engine.runtime.draws import seed_torch
from engine.training.callbacks import Callback
from engine.training.checkpoint import Checkpoints
from engine.training.latest import point_to
from engine.training.loop import Outcome, train
from engine.training.photos import photos_digest
from engine.training.processes import Processes
from engine.training.recipe import TrainingRecipe
from engine.training.run_folder import (
    RECIPE,
    Environment,
    RunFolder,
    describe,
    fresh_folder,
    held,
    holds_run,
)
from engine.training.task import Task

RUNS = Path("runs")


def built_task(recipe: TrainingRecipe) -> Task:
    """The recipe's task, its fresh networks drawn from the recipe's seed.

    RecipeError for a phase that trains what the task does not have.
    """
    seed_torch(recipe.seed)
    task = recipe.task()
    for phase in recipe.phases:
        phase.learning(task.parts)
    averaged = recipe.average.parts if recipe.average is not None else None
    for name in averaged if averaged is not None else ():
        if name not in task.parts:
            raise RecipeError(f"`average` names the part `{name}`, which there is not")
    return task


def begin(
    recipe: TrainingRecipe,
    out: Path | None,
    *,
    devices: int,
    callback: Callable[[bool], Callback],
) -> tuple[Path, Outcome]:
    """Start a run in `out`, or in a new folder below `runs/`, and train it to its end.

    `callback` is made in every process, and told whether it is the first.
    """
    processes = Processes(recipe.device, devices, recipe.precision)
    task = built_task(recipe)
    if out is not None and holds_run(out):
        raise already_there(out)
    weights = _digests(recipe)
    processes.launch(recipe.threads)
    folder = processes.share(out if out is not None else fresh_folder(RUNS, recipe.name))
    told = callback(processes.first)
    with held(folder, by_first=processes.first) as run:
        if processes.first:
            environment = Environment.now(
                device=processes.kind,
                devices=processes.count,
                precision=recipe.precision,
                threads=torch.get_num_threads(),
                weights=weights,
            )
            describe(folder, recipe_toml(recipe), environment)
            point_to(folder, told)
        outcome = train(task, recipe.plan(), run, processes, told)
        processes.close()
    return folder, outcome


def resume(folder: Path, *, until: int | None, callback: Callable[[bool], Callback]) -> Outcome:
    """Go on with a run where it stopped, as it was begun: device, processes, threads."""
    run = RunFolder(folder)
    begun = run.environment()
    recipe = load_recipe_as(TrainingRecipe, folder / RECIPE)
    if begun.device != recipe.device:
        recipe = recipe.model_copy(update={"device": begun.device})
    processes = Processes(recipe.device, begun.devices, recipe.precision)
    task = built_task(recipe)
    processes.launch(begun.threads)
    told = callback(processes.first)
    with held(folder, by_first=processes.first) as run:
        weights = _digests(recipe)
        _require_unchanged(folder, begun.weights, weights)
        now = Environment.now(
            device=processes.kind,
            devices=processes.count,
            precision=recipe.precision,
            threads=torch.get_num_threads(),
            weights=weights,
        )
        if processes.first:
            for difference in begun.differs(now):
                told.remark(f"{difference}: the run may end in other last bits")
        outcome = train(task, recipe.plan(), run, processes, told, until=until)
        processes.close()
    return outcome


def _digests(recipe: TrainingRecipe) -> dict[str, str]:
    """SHA-256 of all that goes into a training, by role."""
    files = {role: file_sha256(path) for role, path in recipe.inputs().items()}
    return files | {role: photos_digest(folder) for role, folder in recipe.albums().items()}


def _require_unchanged(folder: Path, then: Mapping[str, str], now: Mapping[str, str]) -> None:
    """UsageError that names every input of a run that is another one now."""
    told = [
        f"`{role}` was {_short(digest)}, is {_short(now[role])}"
        for role, digest in then.items()
        if role in now and now[role] != digest
    ]
    if told:
        raise UsageError(
            f"what `{folder}` was begun with has changed: {'; '.join(told)}",
            hint="put the old files back, or begin a new run",
        )


def _short(digest: str) -> str:
    """Enough of a digest to tell it from another one, and what follows it.

    >>> _short("0123456789abcdef" * 4 + " of 60 photos")
    '01234567… of 60 photos'
    """
    return f"{digest[:8]}…{digest[64:]}"


def already_there(folder: Path) -> UsageError:
    """What to say about a new run in the folder of an old one."""
    hint = "go on with it by `resume`, or choose another folder"
    return UsageError(f"`{folder}` holds a run already", hint=hint)


def stands_at(folder: Path) -> int:
    """The step of a run's last checkpoint, 0 if it has none."""
    steps = Checkpoints(RunFolder(folder).checkpoints).steps()
    return int(steps[-1].name.removeprefix("step_")) if steps else 0
