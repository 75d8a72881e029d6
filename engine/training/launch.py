"""Start a run from a recipe, and resume one."""

from collections.abc import Callable, Mapping
from pathlib import Path

import torch

from engine.config.load import load_recipe_as, read_toml
from engine.config.write import recipe_toml
from engine.core.atomic import require_room
from engine.core.digest import file_sha256
from engine.core.errors import RecipeError, UsageError
from engine.core.licences import licensed
from engine.runtime.device import Device
from engine.runtime.draws import seed_torch
from engine.runtime.pool import cores
from engine.training.callbacks import Callback
from engine.training.checkpoint import Checkpoints
from engine.training.curves import draw_curves
from engine.training.extension import Extension, extended, record_recipe
from engine.training.forecast import disk_of
from engine.training.latest import link_latest
from engine.training.launcher import launcher
from engine.training.loop import Outcome, train
from engine.training.photos import album_digest
from engine.training.processes import Processes
from engine.training.recipe import TrainingRecipe
from engine.training.run_folder import (
    RECIPE,
    Environment,
    RunFolder,
    describe,
    fresh_folder,
    holds_run,
    locked_run,
    mark_personal,
)
from engine.training.task import Task

RUNS = Path("runs")
LESS = "free some space, choose another folder by `--out`, or lower `keep`"
MakeCallback = Callable[[bool], Callback]
"""Makes the callback of a process; the argument says whether it is the first one."""


def build_task(recipe: TrainingRecipe) -> Task:
    """The recipe's task, its fresh networks drawn from the recipe's seed.

    RecipeError for a phase or an average of parts that the task does not have.
    """
    seed_torch(recipe.seed)
    # Operators without such a version warn and go on: a run must not end for a last bit.
    torch.use_deterministic_algorithms(recipe.deterministic, warn_only=True)
    with licensed(recipe.licences):
        task = recipe.task()
    for phase in recipe.phases:
        phase.trained(task.parts)
    averaged = recipe.average.parts if recipe.average is not None else None
    for name in averaged if averaged is not None else ():
        if name not in task.parts:
            raise RecipeError(f"`average` names the part `{name}`, which does not exist")
    return task


def start_run(
    recipe: TrainingRecipe,
    out: Path | None,
    *,
    devices: int | None = None,
    nodes: int | None = None,
    callback: MakeCallback,
) -> tuple[Path, Outcome]:
    """Train a recipe to its end in `out`, or in a new folder below `runs/`.

    devices, nodes: as of `Processes`. UsageError if `out` holds a run already; LostProcessError if
    another process ends before.
    """
    processes = _processes(recipe, devices, nodes)
    task = build_task(recipe)
    if out is not None and holds_run(out):
        raise run_exists(out)
    weights = _digests(recipe)
    if processes.first:
        require_room(RUNS if out is None else out, disk_of(recipe, task.parts), hint=LESS)
    processes.launch(recipe.threads)
    folder = processes.share(out if out is not None else fresh_folder(RUNS, recipe.name))
    reporter = callback(processes.first)
    with licensed(recipe.licences), locked_run(folder, by_first=processes.first) as run:
        if processes.first:
            environment = _environment(processes, recipe, weights)
            describe(folder, recipe_toml(recipe), environment)
            if recipe.albums():
                mark_personal(folder)
            link_latest(folder, reporter)
        with processes.watched(_goes_on(folder)):
            outcome = train(task, recipe, run, processes, reporter)
        if processes.first:
            draw_curves(folder)
        processes.close()
    return folder, outcome


def resume_run(
    folder: Path,
    *,
    until: int | None,
    callback: MakeCallback,
    device: Device | None = None,
    devices: int | None = None,
    nodes: int | None = None,
    extension: Extension | None = None,
    accept_changes: bool = False,
) -> Outcome:
    """Continue a run after its last checkpoint, on the same device, processes and threads.

    device: another device; devices, nodes: other processes, where torchrun or SLURM did not start
    them; extension: further steps after the last one. Of threads only as many are taken as there
    are cores; every difference is remarked. UsageError if the folder holds no run, or if its
    weights, photos or drawn world have changed; RecipeError that lists what was edited in its
    recipe, unless `accept_changes`; LostProcessError if another process ends before.
    """
    # Nothing is written before all processes have come here and read the same recipe.
    run = RunFolder(folder)
    before = run.environment()
    recipe = load_recipe_as(TrainingRecipe, folder / RECIPE)
    before.require_worlds(recipe.worlds(), folder)
    edits = before.edits_of(recipe.dump(), read_toml(folder / RECIPE))
    if edits and not accept_changes:
        raise RecipeError(
            f"the recipe of `{folder}` was edited: {'; '.join(edits)}",
            hint="undo it, or go on with it by `--accept-changes`",
        )
    if extension is not None:
        recipe = extended(recipe, extension)
        edits.append("more steps")
    recorded = recipe
    wanted = before.device if device is None else device
    if wanted != recipe.device:
        recipe = recipe.model_copy(update={"device": wanted})
    as_before = launcher() is None and devices is None and nodes is None
    processes = _processes(recipe, before.devices if as_before else devices, nodes)
    task = build_task(recipe)
    processes.launch(min(before.threads, cores()))
    reporter = callback(processes.first)
    with licensed(recipe.licences), locked_run(folder, by_first=processes.first) as run:
        weights = _digests(recipe)
        _require_unchanged(folder, before.weights, weights)
        if edits and processes.first:
            record_recipe(run, recorded, before)
        now = _environment(processes, recipe, weights)
        if processes.first:
            for difference in before.differs(now):
                reporter.remark(f"{difference}: the run may end in other last bits")
            if not last_step(folder):
                reporter.remark("no checkpoint was written before it stopped: begins at step 1")
        with processes.watched(_goes_on(folder)):
            outcome = train(task, recipe, run, processes, reporter, until=until)
        if processes.first:
            draw_curves(folder)
        processes.close()
    return outcome


def _processes(recipe: TrainingRecipe, devices: int | None, nodes: int | None) -> Processes:
    return Processes(
        recipe.device, devices, recipe.precision, nodes=nodes, timeout=float(recipe.timeout)
    )


def _goes_on(folder: Path) -> str:
    return (
        f"`tm resume {folder}` goes on after its last checkpoint, with as many processes or another"
        " number: `--devices N`"
    )


def _environment(
    processes: Processes, recipe: TrainingRecipe, weights: Mapping[str, str]
) -> Environment:
    return Environment.now(
        device=processes.kind,
        devices=processes.count,
        precision=recipe.precision,
        threads=torch.get_num_threads(),
        weights=weights,
        recipe=recipe.dump(),
        worlds=recipe.worlds(),
    )


def _digests(recipe: TrainingRecipe) -> dict[str, str]:
    """SHA-256 of all inputs of a training, by role."""
    files = {role: file_sha256(path) for role, path in recipe.inputs().items()}
    return files | {role: album_digest(folder) for role, folder in recipe.albums().items()}


def _require_unchanged(folder: Path, before: Mapping[str, str], now: Mapping[str, str]) -> None:
    """UsageError that names every changed input of a run."""
    changes = [
        f"`{role}` was {_short(digest)}, is {_short(now[role])}"
        for role, digest in before.items()
        if role in now and now[role] != digest
    ]
    if changes:
        raise UsageError(
            f"the inputs of `{folder}` have changed: {'; '.join(changes)}",
            hint="restore the old files, or start a new run",
        )


def _short(digest: str) -> str:
    """The beginning of a digest, and what follows it.

    >>> _short("0123456789abcdef" * 4 + " of 60 photos")
    '01234567… of 60 photos'
    """
    return f"{digest[:8]}…{digest[64:]}"


def run_exists(folder: Path) -> UsageError:
    """The error for a new run in the folder of an old one."""
    hint = "continue it by `tm resume`, or choose another folder"
    return UsageError(f"`{folder}` holds a run already", hint=hint)


def last_step(folder: Path) -> int:
    """The step of a run's last checkpoint, 0 if it has none."""
    steps = Checkpoints(RunFolder(folder).checkpoints).steps()
    return int(steps[-1].name.removeprefix("step_")) if steps else 0
