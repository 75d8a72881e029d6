"""What `tm eval` is given, by what it holds: a comparison, results, personal runs."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from engine.config.load import load_recipe
from engine.core.digest import file_sha256, settings_digest
from engine.core.errors import InputError, UsageError
from engine.core.progress import Progress
from engine.data.manifest import MANIFEST, Row, ledger_of
from engine.evaluators.domain import TrainingDomain
from engine.images.saving import save_png
from engine.inference.folder import RESULTS, reage_photos
from engine.inference.plan import InferPlan
from engine.inference.reage import Reager
from engine.landscapes.evaluation.runs import is_landscape_run
from engine.nets.assemble import time_machine
from engine.runtime.device import Compute
from engine.scoring.material import Material, Method, PersonPhotos, Source, merged
from engine.scoring.recipe import COMPARISON, load_comparison
from engine.scoring.results import (
    holds_results,
    read_impostors,
    read_photos_of_person,
    read_results,
)
from engine.scoring.truth import read_photographs, with_truth
from engine.training.photos import Photos, SplitPhotos, read_photos
from engine.training.run_folder import RECIPE, holds_run
from engine.trainings.personal.recipe import PersonalRecipe
from engine.weights.find import find_weights
from engine.weights.load import read_checkpoint

CACHE = "eval"
STEP = 5
"""Years between the ages that a run's held-out photos are brought to: one is near their own."""
MOST = 16
"""Held-out photos looked at, spread over their ages."""
MINUTE = 60.0
A_COMPARISON, PHOTOS_OF_A_PERSON = "a comparison", "photos of a person"
OF_LANDSCAPES = "a run of landscapes"


@dataclass(frozen=True, slots=True)
class Request:
    """What to judge: folders (one, or several side by side), what against, and the truth."""

    folders: tuple[Path, ...]
    against: Path | None = None
    truth: Path | None = None

    def kinds(self) -> dict[str, str]:
        """What each folder is taken for; UsageError for one that is nothing to judge."""
        folders = [*self.folders, *([self.against] if self.against is not None else [])]
        return {str(folder): _kind(folder) for folder in folders}

    def landscapes(self) -> list[Path] | None:
        """The runs of landscapes, if that is what is to be judged; UsageError for a mixture."""
        kinds = self.kinds()
        if OF_LANDSCAPES not in kinds.values():
            return None
        others = [folder for folder, kind in kinds.items() if kind != OF_LANDSCAPES]
        if others or self.truth is not None:
            beside = f"`{others[0]}`" if others else "truth"
            raise UsageError(f"landscapes are judged beside landscapes, not beside {beside}")
        return [Path(folder) for folder in kinds]


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """What there is to judge, the way that is meant, and how long making it took."""

    material: Material
    subject: str | None
    minutes: float | None = None
    why_no_minutes: str | None = None


def gathered(request: Request, compute: Compute, progress: Progress) -> Asked:
    """Read everything that a request names, rendering the held-out photos of runs.

    Raises UsageError for a folder that is nothing to judge, InputError for one that is incomplete.
    """
    kinds = request.kinds()
    if request.truth is not None:
        read_photographs(request.truth)  # a fault in it is told before any work
    if A_COMPARISON in kinds.values():
        return _comparison(request)
    for folder in request.folders:
        if kinds[str(folder)] == PHOTOS_OF_A_PERSON:
            raise UsageError(
                f"`{folder}` holds photos that nobody has aged",
                hint="give a personal run, or a folder that photos were aged into",
            )
    folders, photos = list(request.folders), None
    if request.against is not None:
        if kinds[str(request.against)] != PHOTOS_OF_A_PERSON:
            folders.append(request.against)
        else:
            photos = read_photos_of_person(request.against)
    ways: list[Method] = []
    sources: list[dict[str, Source]] = []
    for folder, name in zip(folders, _names(folders), strict=True):
        if holds_run(folder):
            made, learned = _rendered(folder, compute, progress)
            photos = learned if photos is None else photos
            way, own = read_results(made, name)
        else:
            way, own = read_results(folder, name)
        ways.append(way)
        sources.append(own)
    material = Material(
        " and ".join(way.name for way in ways), merged(sources), ways, photos=photos
    )
    subject = ways[0].name if len(request.folders) == 1 else None
    return Asked(_with_truth(material, request.truth), subject)


def _comparison(request: Request) -> Asked:
    folder, *others = request.folders
    if others or request.against is not None:
        raise UsageError(f"a folder with `{COMPARISON}` is a comparison already: give it alone")
    recipe = load_comparison(folder)
    read = [read_results(folder / place, name) for name, place in recipe.ways.items()]
    material = Material(
        recipe.name if recipe.name != Path(COMPARISON).stem else folder.name,
        merged(sources for _, sources in read),
        [way for way, _ in read],
        photos=read_photos_of_person(folder / recipe.photos) if recipe.photos else None,
        strangers=read_impostors(folder / recipe.strangers) if recipe.strangers else (),
    )
    truth = request.truth
    if truth is None and recipe.truth is not None:
        truth = folder / recipe.truth
    minutes = why = None
    if recipe.begun is None:
        why = "the comparison names no file that was written when the work began"
    else:
        begun = (folder / recipe.begun).stat().st_mtime
        ended = max((folder / place / RESULTS).stat().st_mtime for place in recipe.ways.values())
        minutes = round((ended - begun) / MINUTE, 2)
    subject = material.ways[0].name if len(material.ways) == 1 else None
    return Asked(_with_truth(material, truth), subject, minutes, why)


def _with_truth(material: Material, place: Path | None) -> Material:
    if place is None:
        return material
    sources, truth = with_truth(material.sources, read_photographs(place), material.tasks)
    return replace(material, sources=sources, truth=truth)


def _kind(folder: Path) -> str:
    if not folder.is_dir():
        raise UsageError(f"`{folder}` is no folder")
    if (folder / COMPARISON).is_file():
        return A_COMPARISON
    if holds_run(folder):
        return OF_LANDSCAPES if is_landscape_run(folder) else "a run"
    return "aged photos" if holds_results(folder) else PHOTOS_OF_A_PERSON


def told_device(compute: Compute) -> str:
    """A device by its kind and model; how many threads it has is nobody's news."""
    return "cpu" if compute.device.type == "cpu" else compute.name


def told_minutes(asked: Asked) -> dict[str, Any]:
    """The report's key `minutes`, and why it is null if it is; nothing where none was asked for."""
    if asked.minutes is not None:
        return {"minutes": asked.minutes}
    if asked.why_no_minutes is None:
        return {}
    return {"minutes": None, "null": {"minutes": asked.why_no_minutes}}


def _names(folders: Sequence[Path]) -> list[str]:
    """The names of folders, with the folder above where two are called alike."""
    names = [folder.resolve().name for folder in folders]
    if len(set(names)) == len(names):
        return names
    longer = ["/".join(folder.resolve().parts[-2:]) for folder in folders]
    if len(set(longer)) < len(longer):
        raise UsageError("one folder was given twice")
    return longer


def _rendered(run: Path, compute: Compute, progress: Progress) -> tuple[Path, PersonPhotos]:
    """Age the held-out photos of a personal run by its best weights, below the run.

    They are kept by the digest of the weights and the ages, so a second call renders nothing.
    """
    recipe = load_recipe(run / RECIPE)
    if not isinstance(recipe, PersonalRecipe) or recipe.photos is None:
        raise UsageError(
            f"`{run}` is a run of kind `{recipe.kind}`, which ages nobody",
            hint="give a personal run, or a folder that photos were aged into",
        )
    file = find_weights(str(run))
    checkpoint = read_checkpoint(file)
    reager = Reager(time_machine(checkpoint), compute, known=TrainingDomain.of(checkpoint))
    photos = Path(recipe.photos)
    if not photos.is_dir():
        raise InputError(
            f"`{photos}`, which `{run}` learned from, is no folder",
            hint="put the photos back, or call from the folder that the training was started in",
        )
    sides = read_photos(photos, reager.input_size, progress)
    low, high = (STEP * round(edge / STEP) for edge in (sides.train.youngest, sides.train.oldest))
    ages = sorted({*map(float, range(low, high + 1, STEP)), *recipe.validation.beyond})
    stamp = settings_digest(
        {"weights": file_sha256(file), "ages": ages, "photos": sides.test.names}
    )
    folder = run / CACHE / stamp
    held_out = _held_out(folder / "photos", sides)
    plan = InferPlan(
        source=held_out,
        out=folder / "aged",
        ages=tuple(ages),
        aligned=True,
        force=True,
        judge=False,
        settings=stamp,
    )
    reage_photos(plan, reager, progress)
    return plan.out, _learned(sides.train, photos)


def _held_out(folder: Path, sides: SplitPhotos) -> Path:
    """The held-out photos with their ages, in a folder of their own."""
    order: list[int] = np.argsort(sides.test.ages, kind="stable").tolist()
    places: list[float] = np.linspace(0, len(order) - 1, min(MOST, len(order))).tolist()
    if not (folder / MANIFEST).is_file():
        with ledger_of(folder) as ledger:
            for row in [order[round(place)] for place in places]:
                name, age = Path(sides.test.names[row]), float(sides.test.ages[row])
                name = name.with_suffix(".png")
                save_png(folder / name, sides.test.pictures[row], {"made": "held-out photo"})
                ledger.add(Row(output=name.as_posix(), age=age).dump())
    return folder


def _learned(train: Photos, folder: Path) -> PersonPhotos:
    order: list[int] = np.argsort(train.ages, kind="stable").tolist()
    return PersonPhotos(
        pictures=[train.pictures[row] for row in order],
        ages=train.ages[order].astype(np.float64),
        names=[train.names[row] for row in order],
        digests=[file_sha256(folder / train.names[row]) for row in order],
        learned=np.ones(len(order), np.bool_),
    )
