"""Landscapes with valence and arousal: rendered scenes and rated photos."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import torch
from PIL import Image
from pydantic import Field, field_validator
from torch import Tensor

from engine.core.errors import InputError, PictureError, UsageError
from engine.core.jsontext import to_json
from engine.core.numbers import Count
from engine.core.progress import Progress, reported
from engine.core.table import Table
from engine.data.ratings import Ratings, RatingScale, image_key, read_rating_lists, read_ratings
from engine.data.render_cache import TRUTH, cached, cached_pictures, new_pictures
from engine.data.splits import hash_fraction
from engine.images.ranges import to_tensors
from engine.images.reading import read_picture
from engine.runtime.draws import Draws
from engine.runtime.pool import cores, in_processes
from engine.worlds.landscapes import KINDS, VERSION, render, scene, scene_va

MIN_PARALLEL, CHUNK = 200, 25
"""Scenes from which rendering uses several processes, and scenes of one task."""
FEWEST, SHOWN = 16, 5
BINS, MAX_WEIGHT = 5, 5.0
"""Bins of each axis for balanced sampling, and the largest relative weight of a row."""
EXTENSIONS = (".jpg", ".jpeg", ".png", ".webp")
Fit = Literal["crop", "stretch"]


class WorldPlan(Table):
    """A set of scenes of the landscape world."""

    drawn_world: ClassVar[tuple[str, str] | None] = "landscapes", VERSION
    first: Count = Field(ge=0)
    """Seed of the first scene; each has its own valence and arousal."""
    count: Count = Field(ge=1)
    size: int = Field(default=64, ge=16, le=1024)


class RatingPlan(Table):
    """The ratings of a folder of photos, and the preparation of the photos."""

    table: str | None = None
    """A CSV file of image, valence and arousal; the only `.csv` in the folder if absent."""
    valence: str | None = None
    """A text file of one rating a line; with `arousal`, it replaces the table."""
    arousal: str | None = None
    scale: str = "div9"
    """`div9` (rating / 9), `minmax` (1..9 to 0..1) or `low..high`."""
    fit: Fit = "crop"
    """`crop` to the central square, or `stretch` the whole photo to a square."""
    test: float = Field(default=0.1, gt=0, lt=1)
    """Share of the photos that is held out, by the hash of their names."""

    @field_validator("scale")
    @classmethod
    def _known(cls, scale: str) -> str:
        RatingScale.parse(scale)
        return scale


@dataclass(frozen=True, slots=True, eq=False)
class Landscapes:
    """Pictures, uint8 RGB (n, size, size, 3), with valence and arousal, float32 (n, 2) in 0..1.

    notes: how many photos were left out and why, as sentences; kinds: those of drawn scenes,
    int64 (n,), as places in `KINDS`.
    """

    pictures: np.ndarray
    va: np.ndarray
    names: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=())
    kinds: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.pictures)

    def tensor(self, rows: Sequence[int] | Tensor, mirrored: Tensor | None = None) -> Tensor:
        """Pictures as float32 RGB (b, 3, size, size) in [-1, 1], flipped where `mirrored` (b,)."""
        chosen = rows.tolist() if isinstance(rows, Tensor) else list(rows)
        pictures = to_tensors(self.pictures[chosen])
        if mirrored is None:
            return pictures
        return torch.where(mirrored[:, None, None, None], pictures.flip(3), pictures)

    def va_of(self, rows: Sequence[int] | Tensor) -> Tensor:
        """Valence and arousal (b, 2) of rows."""
        chosen = rows.tolist() if isinstance(rows, Tensor) else list(rows)
        return torch.from_numpy(self.va[chosen])

    def kinds_of(self, rows: Sequence[int] | Tensor) -> Tensor:
        """Kinds (b,) of rows; ValueError for photos, whose kinds nobody knows."""
        if self.kinds is None:
            raise ValueError("the kinds of photos are not known")
        chosen = rows.tolist() if isinstance(rows, Tensor) else list(rows)
        return torch.from_numpy(self.kinds[chosen])

    def subset(self, rows: np.ndarray) -> "Landscapes":
        """The rows as a set of their own."""
        names = tuple(self.names[row] for row in rows) if self.names else ()
        kinds = None if self.kinds is None else self.kinds[rows]
        return Landscapes(self.pictures[rows], self.va[rows], names, self.notes, kinds)


class BalancedSampler:
    """Draws rows by the inverse frequency of their bin of the plane, weighted 5 times at most."""

    def __init__(self, va: np.ndarray) -> None:
        cells = np.clip((va * BINS).astype(int), 0, BINS - 1)
        counts = np.zeros((BINS, BINS))
        np.add.at(counts, (cells[:, 0], cells[:, 1]), 1)
        weights = 1 / counts[cells[:, 0], cells[:, 1]]
        weights = np.minimum(weights / weights.min(), MAX_WEIGHT)
        self.cumulative = np.cumsum(weights) / weights.sum()

    def rows(self, draws: Draws, name: str) -> Tensor:
        """Rows (b,) for one step."""
        uniforms = draws.uniform(name).double().numpy()
        rows = np.searchsorted(self.cumulative, uniforms, side="right")
        return torch.from_numpy(np.minimum(rows, len(self.cumulative) - 1))


def rendered(plan: WorldPlan, progress: Progress, *, workers: int | None = None) -> Landscapes:
    """The landscapes of a plan, from the cache folder or rendered into it."""
    settings = {"version": VERSION, **plan.model_dump(mode="json")}
    fill = partial(_render_into, plan=plan, progress=progress, workers=workers)
    folder = cached("landscapes", settings, fill)
    with np.load(folder / TRUTH) as truth:
        return Landscapes(cached_pictures(folder), truth["places"], kinds=truth["kinds"])


def read_rated(folder: Path, plan: RatingPlan, size: int, progress: Progress) -> Landscapes:
    """Read the rated photos of a folder at `size` px, in the order of their names.

    The notes count and name ratings without a photo, photos without a rating and photos that cannot
    be read. InputError if fewer than 16 photos are left.
    """
    if not folder.is_dir():
        raise UsageError(f"`{folder}` is not a folder")
    ratings, files = ratings_of(folder, plan), _photos_in(folder)
    missing = sorted(ratings.va.keys() - files.keys())
    unrated = sorted(files.keys() - ratings.va.keys())
    usable = sorted(ratings.va.keys() & files.keys(), key=_natural)
    broken: list[str] = []
    read: list[tuple[str, np.ndarray]] = []
    with reported(progress, "Reading photos", len(usable)):
        for key in usable:
            try:
                read.append((key, _fitted(files[key], size, plan.fit)))
            except PictureError as error:
                broken.append(f"{files[key].name} {error.reason}")
            progress.advance(files[key].name)
    notes = [f"loaded {len(read)} of {len(ratings.va)} rated photos"]
    for fault, names in (
        ("without a file", missing),
        ("not readable", broken),
        ("without a rating", unrated),
        ("rows of ratings with a fault", list(ratings.faults)),
    ):
        if names:
            more = ", ..." if len(names) > SHOWN else ""
            notes.append(f"{len(names)} {fault}: {', '.join(names[:SHOWN])}{more}")
    if len(read) < FEWEST:
        raise InputError(
            f"`{folder}` has {len(read)} usable rated photos, fewer than {FEWEST}",
            hint="; ".join(notes),
        )
    return Landscapes(
        np.stack([picture for _, picture in read]),
        np.array([ratings.va[key] for key, _ in read], np.float32),
        tuple(files[key].name for key, _ in read),
        tuple(notes),
    )


def rated_preview(folder: Path, plan: RatingPlan) -> tuple[str, ...]:
    """How many photos of a folder are rated, and a histogram of their ratings; reads no photo."""
    if not folder.is_dir():
        raise UsageError(f"`{folder}` is not a folder")
    ratings, files = ratings_of(folder, plan), _photos_in(folder)
    rated = [va for key, va in ratings.va.items() if key in files]
    va = np.array(rated, np.float32).reshape(-1, 2)
    cells, _, _ = np.histogram2d(va[:, 0], va[:, 1], bins=BINS, range=[(0, 1), (0, 1)])
    lines = [f"{len(rated)} of {len(ratings.va)} rated photos are there, scale `{plan.scale}`"]
    lines += [f"{len(ratings.faults)} rows with a fault"] if ratings.faults else []
    lines.append("photos by valence (rows, high to low) and arousal (columns, low to high):")
    return (*lines, *(" ".join(f"{int(count):6d}" for count in row) for row in cells[::-1]))


def sides(photos: Landscapes, test: float) -> tuple[Landscapes, Landscapes]:
    """Training and held-out photos, split by the hash of their names."""
    keys = (to_json({"name": name}) for name in photos.names)
    shares = [hash_fraction(key) for key in keys]
    held_out = np.array(shares) < test
    if held_out.sum() < 2:
        held_out[np.argsort(shares)[:2]] = True
    return photos.subset(np.flatnonzero(~held_out)), photos.subset(np.flatnonzero(held_out))


def ratings_of(folder: Path, plan: RatingPlan) -> Ratings:
    """The ratings of a folder: the files that the plan names, or the only table."""
    scale = RatingScale.parse(plan.scale)
    if plan.valence is not None and plan.arousal is not None:
        return read_rating_lists(
            _beside(folder, plan.valence), _beside(folder, plan.arousal), scale
        )
    if plan.valence is not None or plan.arousal is not None:
        raise UsageError("`valence` and `arousal` go together")
    if plan.table is not None:
        return read_ratings(_beside(folder, plan.table), scale)
    tables = sorted(folder.glob("*.csv")) + sorted(folder.parent.glob("*.csv"))
    if len(tables) != 1:
        raise UsageError(
            f"{len(tables)} tables of ratings beside the photos in `{folder}`",
            hint="name one in the recipe as `data.ratings.table`",
        )
    return read_ratings(tables[0], scale)


def _photos_in(folder: Path) -> dict[str, Path]:
    """The photos of a folder and of its folder `images`, by their key in a table."""
    return {
        image_key(path.name): path
        for path in (*sorted((folder / "images").glob("*")), *sorted(folder.iterdir()))
        if path.suffix.lower() in EXTENSIONS
    }


def _beside(folder: Path, name: str) -> Path:
    """A file relative to the folder of the photos, else to the working folder."""
    return folder / name if (folder / name).is_file() else Path(name)


def _natural(key: str) -> tuple[bool, int, str]:
    return (not key.isdigit(), int(key) if key.isdigit() else 0, key)


def _fitted(path: Path, size: int, fit: Fit) -> np.ndarray:
    picture = Image.fromarray(read_picture(path, max_megapixels=250.0).pixels)
    width, height = picture.size
    box = None
    if fit == "crop":
        edge = min(width, height)
        left, top = (width - edge) / 2, (height - edge) / 2
        box = (left, top, left + edge, top + edge)
    # Pillow's filters widen with the reduction: that is the antialiasing.
    return np.asarray(picture.resize((size, size), Image.Resampling.BILINEAR, box=box))


def _render_into(folder: Path, plan: WorldPlan, progress: Progress, workers: int | None) -> None:
    pictures = new_pictures(folder, plan.count, plan.size)
    if workers is None:
        workers = cores() if plan.count >= MIN_PARALLEL else 1
    starts = range(0, plan.count, CHUNK)
    with reported(progress, "Rendering landscapes", len(starts)):
        for outcome in in_processes(partial(_render_chunk, plan=plan), starts, workers=workers):
            if outcome.result is None:
                raise MemoryError("a rendering process died")
            pictures[outcome.item : outcome.item + CHUNK] = outcome.result
            progress.advance()
    pictures.flush()
    seeds = range(plan.first, plan.first + plan.count)
    va = np.array([scene_va(seed) for seed in seeds], np.float32)
    kinds = np.array([KINDS.index(scene(seed).kind) for seed in seeds])
    np.savez(folder / TRUTH, places=va, kinds=kinds)


def _render_chunk(start: int, *, plan: WorldPlan) -> np.ndarray:
    seeds = range(plan.first + start, plan.first + min(start + CHUNK, plan.count))
    pictures = [render(*scene_va(seed), seed, plan.size).picture for seed in seeds]
    return np.stack(pictures)
