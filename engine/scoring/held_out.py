"""The held-out photos of a personal run, aged by its best weights."""

from pathlib import Path

import numpy as np

from engine.config.load import load_recipe
from engine.core.digest import file_sha256, settings_digest
from engine.core.errors import InputError, UsageError
from engine.core.progress import Progress
from engine.data.manifest import MANIFEST, Row, ledger_of
from engine.evaluators.domain import TrainingDomain
from engine.images.saving import save_png
from engine.inference.aligned_method import AlignedMethod
from engine.inference.folder import reage_photos
from engine.inference.plan import InferPlan
from engine.inference.reage import Reager
from engine.nets.assemble import time_machine
from engine.runtime.device import Compute
from engine.scoring.material import PersonPhotos
from engine.training.photos import Photos, SplitPhotos, read_photos
from engine.training.run_folder import RECIPE
from engine.trainings.personal.recipe import PersonalRecipe
from engine.weights.find import find_weights, unchosen
from engine.weights.load import read_checkpoint

CACHE = "eval"
STEP = 5
"""Years between the target ages of a run's held-out photos."""
MAX_HELD_OUT = 16
"""Held-out photos that are aged, spread over their ages."""


def age_held_out(run: Path, compute: Compute, progress: Progress) -> tuple[Path, PersonPhotos]:
    """Age the held-out photos of a personal run by its best weights, in a cache below the run.

    Returns the folder of results and the photos that the run was trained on.
    """
    recipe = load_recipe(run / RECIPE)
    if not isinstance(recipe, PersonalRecipe) or recipe.photos is None:
        raise UsageError(
            f"`{run}` is a run of kind `{recipe.kind}`, which ages no photos",
            hint="give a personal run, or a folder of `tm infer`",
        )
    file = find_weights(str(run))
    if remark := unchosen(file):
        progress.remark(remark)
    checkpoint = read_checkpoint(file)
    reager = Reager(
        time_machine(checkpoint), compute, training_domain=TrainingDomain.of(checkpoint)
    )
    photos = Path(recipe.photos)
    if not photos.is_dir():
        raise InputError(
            f"`{photos}`, which `{run}` was trained on, is no folder",
            hint="put the photos back, or call from the folder that the training was started in",
        )
    sides = read_photos(photos, reager.input_size, progress)
    low, high = (STEP * round(edge / STEP) for edge in (sides.train.youngest, sides.train.oldest))
    ages = sorted({*map(float, range(low, high + 1, STEP)), *recipe.validation.beyond})
    stamp = settings_digest(
        {"weights": file_sha256(file), "ages": ages, "photos": sides.test.names}
    )
    folder = run / CACHE / stamp
    held_out = _write_held_out(folder / "photos", sides)
    plan = InferPlan(
        source=held_out,
        out=folder / "aged",
        ages=tuple(ages),
        aligned=True,
        force=True,
        evaluate=False,
        settings=stamp,
    )
    reage_photos(plan, AlignedMethod(reager, plan), progress)
    return plan.out, _training_photos(sides.train, photos)


def _write_held_out(folder: Path, sides: SplitPhotos) -> Path:
    """The held-out photos with their ages, in a folder of their own."""
    order: list[int] = np.argsort(sides.test.ages, kind="stable").tolist()
    picks: list[float] = np.linspace(0, len(order) - 1, min(MAX_HELD_OUT, len(order))).tolist()
    if not (folder / MANIFEST).is_file():
        with ledger_of(folder) as ledger:
            for row in [order[round(pick)] for pick in picks]:
                name, age = Path(sides.test.names[row]), float(sides.test.ages[row])
                name = name.with_suffix(".png")
                save_png(folder / name, sides.test.pictures[row], {"made": "held-out photo"})
                ledger.add(Row(output=name.as_posix(), age=age).dump())
    return folder


def _training_photos(train: Photos, folder: Path) -> PersonPhotos:
    order: list[int] = np.argsort(train.ages, kind="stable").tolist()
    return PersonPhotos(
        pictures=[train.pictures[row] for row in order],
        ages=train.ages[order].astype(np.float64),
        names=[train.names[row] for row in order],
        digests=[file_sha256(folder / train.names[row]) for row in order],
        train=np.ones(len(order), np.bool_),
    )
