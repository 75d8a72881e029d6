"""Landscapes with their places in the plane of valence and arousal: rendered ones, and photos."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from PIL import Image
from pydantic import Field, field_validator
from torch import Tensor

from engine.core.errors import InputError, PictureError, UsageError
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
from engine.worlds.landscapes import VERSION, place_in_plane, render

WORTH_PROCESSES, TOGETHER = 200, 25
FEWEST, SHOWN = 16, 5
BINS, MOST = 5, 5.0
"""Bins of either axis when sampling is balanced, and how much oftener than others the rare come."""
EXTENSIONS = (".jpg", ".jpeg", ".png", ".webp")
Fit = Literal["crop", "stretch"]


class WorldPlan(Table):
    """Which scenes of the landscape world make up a set."""

    first: Count = Field(ge=0)
    """Seed of the first scene; each lies at a place of the plane of its own."""
    count: Count = Field(ge=1)
    size: int = Field(default=64, ge=16, le=1024)


class PhotoPlan(Table):
    """How a folder of rated photos is read."""

    ratings: str | None = None
    """A table of image, valence and arousal; the only `.csv` in the folder if absent."""
    valence: str | None = None
    """A text file of one rating a line, with `arousal` in place of a table."""
    arousal: str | None = None
    scale: str = "div9"
    """`div9` (rating / 9), `minmax` (1..9 to 0..1) or `low..high`."""
    fit: Fit = "crop"
    """`crop` the middle square, or `stretch` the whole photo to a square."""
    test: float = Field(default=0.1, gt=0, lt=1)
    """Share of the photos that is held out, by the digest of their names."""

    @field_validator("scale")
    @classmethod
    def _known(cls, scale: str) -> str:
        RatingScale.parse(scale)
        return scale


@dataclass(frozen=True, slots=True, eq=False)
class Landscapes:
    """Pictures, uint8 RGB (n, size, size, 3), and their places, float32 (n, 2): valence, arousal.

    counted: what was left out and why, sentences for people.
    """

    pictures: np.ndarray
    places: np.ndarray
    names: tuple[str, ...] = ()
    counted: tuple[str, ...] = field(default=())

    def __len__(self) -> int:
        return len(self.pictures)

    def tensor(self, rows: Sequence[int] | Tensor, mirrored: Tensor | None = None) -> Tensor:
        """Pictures as float32 RGB (b, 3, size, size) in [-1, 1], flipped where `mirrored` (b,)."""
        chosen = rows.tolist() if isinstance(rows, Tensor) else list(rows)
        pictures = to_tensors(self.pictures[chosen])
        if mirrored is None:
            return pictures
        return torch.where(mirrored[:, None, None, None], pictures.flip(3), pictures)

    def place(self, rows: Sequence[int] | Tensor) -> Tensor:
        """Places (b, 2) of pictures."""
        chosen = rows.tolist() if isinstance(rows, Tensor) else list(rows)
        return torch.from_numpy(self.places[chosen])

    def taken(self, rows: Sequence[int] | np.ndarray) -> "Landscapes":
        """Some of the pictures as a set of their own."""
        names = tuple(self.names[row] for row in rows) if self.names else ()
        return Landscapes(self.pictures[rows], self.places[rows], names, self.counted)

    def histogram(self) -> np.ndarray:
        """How many lie in each cell of the plane, (BINS, BINS): rows valence, columns arousal."""
        return _histogram(self.places)


class Balance:
    """Draws rows so that rare places of the plane come up more often, `MOST` times at most."""

    def __init__(self, places: np.ndarray) -> None:
        cells = np.clip((places * BINS).astype(int), 0, BINS - 1)
        counts = np.zeros((BINS, BINS))
        np.add.at(counts, (cells[:, 0], cells[:, 1]), 1)
        weights = 1 / counts[cells[:, 0], cells[:, 1]]
        weights = np.minimum(weights / weights.min(), MOST)
        self.cumulated = np.cumsum(weights) / weights.sum()

    def rows(self, draws: Draws, name: str) -> Tensor:
        """Rows (b,) for one step."""
        told = draws.uniform(name).double().numpy()
        found = np.searchsorted(self.cumulated, told, side="right")
        return torch.from_numpy(np.minimum(found, len(self.cumulated) - 1))


def rendered(plan: WorldPlan, progress: Progress, *, workers: int | None = None) -> Landscapes:
    """The set of a plan: from the cache folder, or rendered into it now."""
    told = {"version": VERSION, **plan.model_dump(mode="json")}
    fill = partial(_render_into, plan=plan, progress=progress, workers=workers)
    folder = cached("landscapes", told, fill)
    with np.load(folder / TRUTH) as truth:
        return Landscapes(cached_pictures(folder), truth["places"])


def read_rated(folder: Path, plan: PhotoPlan, size: int, progress: Progress) -> Landscapes:
    """Read the rated photos of a folder at `size` px, in the order of their names.

    What has no file, no rating or cannot be read is counted and named. InputError if fewer than
    16 are left.
    """
    if not folder.is_dir():
        raise UsageError(f"`{folder}` is no folder of photos")
    ratings, files = ratings_of(folder, plan), _photos_in(folder)
    missing = sorted(ratings.places.keys() - files.keys())
    unrated = sorted(files.keys() - ratings.places.keys())
    wanted = sorted(ratings.places.keys() & files.keys(), key=_natural)
    broken: list[str] = []
    read: list[tuple[str, np.ndarray]] = []
    with reported(progress, "Reading photos", len(wanted)):
        for key in wanted:
            try:
                read.append((key, _fitted(files[key], size, plan.fit)))
            except PictureError as error:
                broken.append(f"{files[key].name} {error.reason}")
            progress.advance(files[key].name)
    counted = [f"loaded {len(read)} of {len(ratings.places)} rated photos"]
    for what, names in (
        ("without a file", missing),
        ("not readable", broken),
        ("without a rating", unrated),
        ("rows of ratings with a fault", list(ratings.faults)),
    ):
        if names:
            more = ", ..." if len(names) > SHOWN else ""
            counted.append(f"{len(names)} {what}: {', '.join(names[:SHOWN])}{more}")
    if len(read) < FEWEST:
        raise InputError(
            f"`{folder}` has {len(read)} usable rated photos, fewer than {FEWEST}",
            hint="; ".join(counted),
        )
    return Landscapes(
        np.stack([picture for _, picture in read]),
        np.array([ratings.places[key] for key, _ in read], np.float32),
        tuple(files[key].name for key, _ in read),
        tuple(counted),
    )


def rated_preview(folder: Path, plan: PhotoPlan) -> tuple[str, ...]:
    """What a folder holds, without reading a photo: how many are rated, and where they lie."""
    if not folder.is_dir():
        raise UsageError(f"`{folder}` is no folder of photos")
    ratings, files = ratings_of(folder, plan), _photos_in(folder)
    here = [place for key, place in ratings.places.items() if key in files]
    cells = _histogram(np.array(here, np.float32).reshape(-1, 2))
    lines = [f"{len(here)} of {len(ratings.places)} rated photos are there, scale `{plan.scale}`"]
    lines += [f"{len(ratings.faults)} rows with a fault"] if ratings.faults else []
    lines.append("photos by valence (rows, from glad to sad) and arousal (columns, from calm):")
    return (*lines, *(" ".join(f"{count:6d}" for count in row) for row in cells[::-1]))


def sides(photos: Landscapes, test: float) -> tuple[Landscapes, Landscapes]:
    """Photos to learn from and photos held out, by the digest of their names."""
    keys = (json.dumps({"name": name}, ensure_ascii=False) for name in photos.names)
    shares = [hash_fraction(key) for key in keys]
    held = np.array(shares) < test
    if held.sum() < 2:
        held[np.argsort(shares)[:2]] = True
    return photos.taken(np.flatnonzero(~held)), photos.taken(np.flatnonzero(held))


def ratings_of(folder: Path, plan: PhotoPlan) -> Ratings:
    """The ratings of a folder: those the plan names, or its only table."""
    scale = RatingScale.parse(plan.scale)
    if plan.valence is not None and plan.arousal is not None:
        return read_rating_lists(
            _beside(folder, plan.valence), _beside(folder, plan.arousal), scale
        )
    if plan.valence is not None or plan.arousal is not None:
        raise UsageError("`valence` and `arousal` go together")
    if plan.ratings is not None:
        return read_ratings(_beside(folder, plan.ratings), scale)
    tables = sorted(folder.glob("*.csv")) + sorted(folder.parent.glob("*.csv"))
    if len(tables) != 1:
        raise UsageError(
            f"{len(tables)} tables of ratings beside the photos in `{folder}`",
            hint="name it in the recipe as `rated.ratings`",
        )
    return read_ratings(tables[0], scale)


def _photos_in(folder: Path) -> dict[str, Path]:
    """The photos of a folder, and of its folder `images`, by what a table calls them."""
    return {
        image_key(path.name): path
        for path in (*sorted((folder / "images").glob("*")), *sorted(folder.iterdir()))
        if path.suffix.lower() in EXTENSIONS
    }


def _histogram(places: np.ndarray) -> np.ndarray:
    edges = np.linspace(0, 1, BINS + 1)
    counts, _, _ = np.histogram2d(places[:, 0], places[:, 1], bins=[edges, edges])
    return counts.astype(int)


def _beside(folder: Path, name: str) -> Path:
    """A file named from the folder of the photos, or from where we are."""
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
        workers = cores() if plan.count >= WORTH_PROCESSES else 1
    starts = range(0, plan.count, TOGETHER)
    with reported(progress, "Rendering landscapes", len(starts)):
        for outcome in in_processes(partial(_some, plan=plan), starts, workers=workers):
            if outcome.result is None:
                raise MemoryError("a process that rendered landscapes died")
            pictures[outcome.item : outcome.item + TOGETHER] = outcome.result
            progress.advance()
    pictures.flush()
    seeds = range(plan.first, plan.first + plan.count)
    places = np.array([place_in_plane(seed) for seed in seeds], np.float32)
    np.savez(folder / TRUTH, places=places)


def _some(start: int, *, plan: WorldPlan) -> np.ndarray:
    seeds = range(plan.first + start, plan.first + min(start + TOGETHER, plan.count))
    shots = [render(*place_in_plane(seed), seed, plan.size).picture for seed in seeds]
    return np.stack(shots)
