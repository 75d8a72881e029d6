"""`tm prep`: photos to a data set, or a data set rendered from nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from engine.core.dry_run import checks_only
from engine.core.errors import UsageError
from engine.core.licences import licensed
from engine.core.progress import Progress, Silence
from engine.data.ages import AgeSource, parse_born, read_age_csv
from engine.data.faces import FaceSource
from engine.data.manifest import Row
from engine.faces.choose import FaceChoice
from engine.prep.advice import advise
from engine.prep.align import AlignPlan, AlignReport, Job, align_photos, plan_jobs
from engine.prep.filter import FilterPlan, copy_kept, filter_folder, pictures_of, require_copies
from engine.prep.forget import forget
from engine.prep.landscapes import LandscapePlan, synthesise_landscapes
from engine.prep.recipe import load_prep
from engine.prep.sheet import draw_sheet, rows_of_sheet
from engine.prep.split import split_folder
from engine.prep.synth import SynthPlan, parse_ages, synthesise
from engine.runtime.device import Device, require_cpu
from engine.runtime.pool import cores

__all__ = [
    "AlignReport",
    "AlignRequest",
    "FilterRequest",
    "FilterResult",
    "SynthRequest",
    "align",
    "draw_sheet",
    "filter_pictures",
    "forecast_align",
    "forecast_filter",
    "forecast_sheet",
    "forecast_synth",
    "forget",
    "split_folder",
    "synth",
]

RECIPE = "prep/photos"
AGES = "5..95"
SIZES = {"portraits": 256, "landscapes": 128}


@dataclass(frozen=True, slots=True, kw_only=True)
class AlignRequest:
    """Photos to align.

    Args:
        source: a photo, or a folder of them.
        out: folder of the aligned faces and of their manifest.
        size: side of the aligned faces in px.
        face: `largest`, `all`, a number from 1, or `like:PHOTO`.
        thorough: use the slow CNN detector where no face is found.
        landmarks: what fits the 68 points: `dlib`, `mesh`, a model file for dlib, or a table of
            known points; the recipe's if None.
        ages: a CSV with the columns `path` and `age`.
        born: date of birth as `YYYY` or `YYYY-MM-DD`, for ages from the dates of the photos.
        workers: processes; one for each core if None.
        device: `auto` or `cpu`.
        include_synthetic: also align what tm aged, enhanced or generated.
        recipe, settings: a recipe of kind `prep`, and overrides as `key=value`.
    """

    source: Path
    out: Path
    size: int = 1024
    face: str = "largest"
    thorough: bool = False
    landmarks: str | Path | None = None
    ages: Path | None = None
    born: str | None = None
    workers: int | None = None
    device: Device = "auto"
    include_synthetic: bool = False
    recipe: str = RECIPE
    settings: Sequence[str] = ()

    @property
    def processes(self) -> int:
        """The processes that are used."""
        return cores() if self.workers is None else self.workers

    def plan(self) -> AlignPlan:
        """The plan of the batch; UsageError or RecipeError for an argument that cannot be used."""
        require_cpu(self.device, "face detection")
        recipe = load_prep(self.recipe, self.settings)
        return AlignPlan(
            source=self.source,
            out=self.out,
            size=self.size,
            choice=FaceChoice.parse(self.face),
            ages=AgeSource(
                listed=read_age_csv(self.ages) if self.ages is not None else {},
                born=parse_born(self.born) if self.born is not None else None,
            ),
            reading=recipe.reading,
            faces=FaceSource.of(recipe.detection, self.landmarks, thorough=self.thorough),
            advice=recipe.advice,
            include_synthetic=self.include_synthetic,
        )


def align(request: AlignRequest, progress: Progress | None = None) -> AlignReport:
    """Find the faces in photos, align them as FFHQ does, and write them with a manifest.

    A photo that cannot be used becomes a row with the reason; a second call works only on new and
    changed photos. Raises UsageError and RecipeError for the request, InputError for a source
    without pictures.
    """
    progress = Silence() if progress is None else progress
    with licensed(load_prep(request.recipe, request.settings).licences):
        return align_photos(request.plan(), workers=request.processes, progress=progress)


def forecast_align(request: AlignRequest) -> list[Job]:
    """The photos that `align` would read, and where their faces would go; nothing is written.

    Raises as `align` does.
    """
    with checks_only():
        align(request)
    return plan_jobs(request.plan())


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterRequest:
    """A prepared folder to filter.

    Args:
        folder: with a manifest, or with pictures alone.
        out: folder that kept pictures are copied to, with their rows; none if None.
        workers: processes; one for each core if None.
        include_synthetic: also take what tm aged, enhanced or generated.
        recipe, settings: a recipe of kind `prep`, and overrides as `key=value`.
    """

    folder: Path
    out: Path | None = None
    workers: int | None = None
    include_synthetic: bool = False
    recipe: str = RECIPE
    settings: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class FilterResult:
    """The rows of the manifest, how many pictures were copied, and warnings about the set."""

    rows: Sequence[Row]
    copied: int | None
    warnings: Sequence[str]


def filter_pictures(request: FilterRequest, progress: Progress | None = None) -> FilterResult:
    """Score quality, duplicates and impostors, and write `keep` or `drop` to the manifest.

    Nothing is deleted. Raises UsageError and RecipeError for the request, InputError for a folder
    without pictures.
    """
    recipe = load_prep(request.recipe, request.settings)
    progress = Silence() if progress is None else progress
    workers = cores() if request.workers is None else request.workers
    if request.out is not None:
        require_copies(request.folder, request.out)
    plan = FilterPlan(request.folder, recipe.quality, recipe.similarity, request.include_synthetic)
    with licensed(recipe.licences):
        rows = filter_folder(plan, workers=workers, progress=progress)
    copied, faults = None, list[str]()
    if request.out is not None:
        copied, faults = copy_kept(request.folder, request.out)
    return FilterResult(rows, copied, [*faults, *advise(rows, recipe.advice)])


def forecast_filter(request: FilterRequest) -> int:
    """The number of pictures that `filter_pictures` would decide on; nothing is written.

    Raises as `filter_pictures` does.
    """
    with checks_only():
        filter_pictures(request)
    return len(pictures_of(request.folder))


@dataclass(frozen=True, slots=True, kw_only=True)
class SynthRequest:
    """Pictures of a procedural world to render.

    Args:
        out: folder of the pictures and of their manifest.
        people: the number of people, or of scenes.
        per_person: pictures of each.
        ages: a range as `20..50` over which ages are spread evenly, or `20..50..10` of which they
            are taken; portraits only.
        size: side in px; 256 for portraits and 128 for landscapes if None.
        seed: the number of the first person or scene.
        unaligned: 0 frames faces like aligned ones, 1 like snapshots; portraits only.
        same_scene: one photograph of each person, at every age; portraits only.
        staggered: everybody's ages lie between those of the others; portraits only.
        world: the world.
        workers: processes; one for each core if None.
    """

    out: Path
    people: int
    per_person: int
    ages: str = AGES
    size: int | None = None
    seed: int = 0
    unaligned: float = 0.0
    same_scene: bool = False
    staggered: bool = False
    world: Literal["portraits", "landscapes"] = "portraits"
    workers: int | None = None

    def plan(self) -> SynthPlan | LandscapePlan:
        """What is rendered; UsageError for a value out of range."""
        size = SIZES[self.world] if self.size is None else self.size
        if self.world == "portraits":
            ages, step = parse_ages(self.ages)
            return SynthPlan(
                out=self.out,
                people=self.people,
                per_person=self.per_person,
                ages=ages,
                step=step,
                size=size,
                seed=self.seed,
                unaligned=self.unaligned,
                same_scene=self.same_scene,
                staggered=self.staggered,
            )
        portraits_only = {"ages": AGES, "unaligned": 0.0, "same_scene": False, "staggered": False}
        for name, default in portraits_only.items():
            if getattr(self, name) != default:
                raise UsageError(f"landscapes have no `--{name.replace('_', '-')}`")
        return LandscapePlan(self.out, self.people, self.per_person, size, self.seed)


def synth(request: SynthRequest, progress: Progress | None = None) -> tuple[int, int]:
    """Render a procedural world; the manifest holds the truth of every picture.

    Returns how many pictures are new, and how many were there already. Raises UsageError for a
    value out of range.
    """
    plan, workers = request.plan(), cores() if request.workers is None else request.workers
    progress = Silence() if progress is None else progress
    if isinstance(plan, LandscapePlan):
        return synthesise_landscapes(plan, workers=workers, progress=progress)
    return synthesise(plan, workers=workers, progress=progress)


def forecast_synth(request: SynthRequest) -> tuple[int, int]:
    """The number of pictures that `synth` would render, and their side in px; raises as it does."""
    with checks_only():
        synth(request)
    return request.people * request.per_person, request.plan().size


def forecast_sheet(folder: Path, path: Path) -> int:
    """The number of pictures that `draw_sheet` would draw; nothing is written, and raises as it."""
    with checks_only():
        draw_sheet(folder, path, columns=1, cell=1, progress=Silence())
    return len(rows_of_sheet(folder))
