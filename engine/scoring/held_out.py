"""The held-out photos of a personal run, aged by its best weights."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from engine.config.load import load_recipe
from engine.core.atomic import write_bytes
from engine.core.digest import file_sha256, settings_digest
from engine.core.errors import InputError, UsageError
from engine.core.numbers import Span
from engine.core.progress import Progress
from engine.core.regular import read_bytes
from engine.data.labelled import LabelledFaces
from engine.data.manifest import MANIFEST, Row, ledger_of, read_manifest
from engine.evaluators.domain import TrainingDomain
from engine.images.ranges import to_pixels
from engine.images.saving import save_png
from engine.inference.aligned_method import AlignedMethod
from engine.inference.anchored import AnchorAger
from engine.inference.choose import ager_of
from engine.inference.folder import reage_photos
from engine.inference.plan import InferPlan
from engine.inference.reage import Reager
from engine.nets.assemble import time_machine
from engine.prep.synth import SynthPlan, synthesise
from engine.runtime.device import Compute
from engine.scoring.material import PersonPhotos
from engine.training.photos import Photos, SplitPhotos, read_photos
from engine.training.run_folder import RECIPE
from engine.trainings.agetransformer.recipe import AgeTransformerRecipe
from engine.trainings.personal.recipe import PersonalRecipe
from engine.trainings.prior.recipe import PriorRecipe
from engine.weights.find import find_weights, unchosen
from engine.weights.load import read_checkpoint

CACHE = "eval"
STEP = 5
"""Years between the target ages of a run's held-out photos."""
AGES = tuple(map(float, range(5, 96, 10)))
"""Targets for drawn people, where the model has no anchors of its own."""
SMALLEST_DRAWN, MAX_DRAWN = 64, 8
"""Side in px of drawn people at least, and how many are aged."""
MAX_HELD_OUT = 16
"""Held-out photos that are aged, spread over their ages."""


@dataclass(frozen=True, slots=True)
class HeldOut:
    """The folder of aged held-out photos; the person's photos of a personal run; the truth of drawn
    people, a folder."""

    results: Path
    photos: PersonPhotos | None = None
    truth: Path | None = None


def age_held_out(run: Path, compute: Compute, progress: Progress) -> HeldOut:
    """Age the held-out photos of a run by its best weights, in a cache below the run.

    Held out of a personal run: its photos on the test side; of an AgeTransformer: faces on the test
    side; of a prior on photographs: those held out; of a run on drawn people: people of its
    validation, with their truth.
    """
    recipe = load_recipe(run / RECIPE)
    file = find_weights(str(run))
    if remark := unchosen(file):
        progress.remark(remark)
    if isinstance(recipe, PriorRecipe | AgeTransformerRecipe):
        return _of_many(run, recipe, file, compute, progress)
    if not isinstance(recipe, PersonalRecipe) or recipe.photos is None:
        raise UsageError(
            f"`{run}` is a run of kind `{recipe.kind}`, which ages no photos that it holds out",
            hint=f"`tm infer PHOTOS --weights {run} --ages 30,50,70 --out aged` and then"
            " `tm eval aged`, if it ages any",
        )
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
    return HeldOut(plan.out, _training_photos(sides.train, photos))


def _of_many(
    run: Path,
    recipe: PriorRecipe | AgeTransformerRecipe,
    file: Path,
    compute: Compute,
    progress: Progress,
) -> HeldOut:
    """Faces of many people at the anchors of an AgeTransformer, or at ten ages."""
    ager = ager_of(read_checkpoint(file), compute)
    ages = ager.anchors.years if isinstance(ager, AnchorAger) else AGES
    stamp = settings_digest({"weights": file_sha256(file), "ages": ages, "faces": MAX_HELD_OUT})
    folder, truth = run / CACHE / stamp, None
    if isinstance(recipe, PriorRecipe) and recipe.photos is not None:
        sides = read_photos(Path(recipe.photos), ager.input_size, progress)
        faces = _write_held_out(folder / "photos", sides)
    elif recipe.data is not None:
        truth = folder / "truth"
        plan = SynthPlan(
            truth,
            people=MAX_DRAWN,
            per_person=len(ages),
            ages=Span(min(ages), max(ages)),
            size=max(ager.input_size, SMALLEST_DRAWN),
            seed=recipe.data.validation.first,
            same_scene=True,
        )
        synthesise(plan, workers=1, progress=progress)
        faces = _one_of_each(folder / "photos", truth)
    else:
        assert isinstance(recipe, AgeTransformerRecipe)
        faces = _write_faces(folder / "photos", recipe.held_out().load(progress))
    infer = InferPlan(
        source=faces,
        out=folder / "aged",
        ages=tuple(ages),
        aligned=True,
        force=True,
        evaluate=False,
        settings=stamp,
    )
    reage_photos(infer, AlignedMethod(ager, infer), progress)
    return HeldOut(infer.out, truth=truth)


def _one_of_each(folder: Path, truth: Path) -> Path:
    """The picture of middle age of every drawn person, in a folder of their own."""
    by_person: dict[str, list[Row]] = {}
    for row in read_manifest(truth):
        by_person.setdefault(str(row.person), []).append(row)
    if not (folder / MANIFEST).is_file():
        with ledger_of(folder) as ledger:
            for person, rows in by_person.items():
                chosen = rows[len(rows) // 2]
                name = f"{person}.png"
                write_bytes(folder / name, read_bytes(truth / str(chosen.output)))
                ledger.add(Row(output=name, age=chosen.age, person=person).dump())
    return folder


def _write_faces(folder: Path, faces: LabelledFaces) -> Path:
    """Some labelled faces, spread over their ages, in a folder of their own."""
    order = np.argsort(faces.ages, kind="stable")
    picks = np.linspace(0, len(order) - 1, min(MAX_HELD_OUT, len(order))).round().astype(int)
    if not (folder / MANIFEST).is_file():
        with ledger_of(folder) as ledger:
            for place, row in enumerate(order[picks].tolist()):
                name = f"{place:02d}.png"
                picture = faces.pictures(torch.tensor([row]))[0]
                save_png(folder / name, to_pixels(picture), {"made": "held-out face"})
                ledger.add(Row(output=name, age=float(faces.ages[row])).dump())
    return folder


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
