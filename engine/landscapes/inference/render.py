"""Landscapes from valence and arousal, by a trained generator."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from engine.core.atomic import write_json
from engine.core.digest import file_sha256
from engine.core.errors import UsageError
from engine.core.numbers import parse_number
from engine.images.ranges import to_pixels
from engine.images.saving import save_png
from engine.landscapes.nets.generator import LandscapeGenerator
from engine.nets.loading import frozen
from engine.weights.find import find_weights
from engine.weights.load import read_checkpoint

SMALLEST, LARGEST = 16, 2048
LEAST, MOST = 2, 11
"""Pictures of a row of a grid or a sweep."""
MOST_PICTURES = 1000
Axis = Literal["v", "a"]
MIDDLE, SWEPT = (0.5, 0.5), 7
"""Where a sweep goes through if no place is named, and its pictures."""


@dataclass(frozen=True, slots=True)
class Wish:
    """One picture to paint: its place in the plane, and the seed of its code."""

    valence: float
    arousal: float
    seed: int


class Painter:
    """A generator with the file that it came from."""

    def __init__(self, generator: LandscapeGenerator, weights: dict[str, Any]) -> None:
        self.generator = frozen(generator)
        self.weights = weights

    @classmethod
    def of(cls, name: str, device: torch.device) -> "Painter":
        """The generator of a run, a file or shipped weights; WeightsError if it holds none."""
        file = find_weights(name)
        checkpoint = read_checkpoint(file)
        state = {key: value.clone() for key, value in checkpoint.part("generator").items()}
        told = {"weights": name, "sha256": file_sha256(file)}
        told["scale"] = str(checkpoint.facts.get("scale"))
        return cls(LandscapeGenerator.from_state(state).to(device), told)

    @torch.no_grad()
    def paint(
        self, wishes: Sequence[Wish], *, truncation: float = 1.0, size: int | None = None
    ) -> Iterator[np.ndarray]:
        """Pictures in the order of the wishes, uint8 RGB (size, size, 3).

        A wish is painted alike whatever stands beside it. truncation: below 1 codes are drawn
        towards their mean; size: another side than that of the generator, by resampling.
        """
        generator = self.generator
        device = generator.get_buffer("code_mean").device
        # One by one: beside others, the last bits of a picture would depend on how many they are.
        for wish in wishes:
            normal = code_of(wish.seed, generator.spec.latent)[None].to(device)
            place = torch.tensor([[wish.valence, wish.arousal]], device=device)
            picture = generator(generator.codes(normal, truncation=truncation), place)
            if size is not None and size != picture.shape[-1]:
                picture = F.interpolate(picture, (size, size), mode="bicubic", antialias=True)
            yield to_pixels(picture[0])


def code_of(seed: int, width: int) -> Tensor:
    """Standard normal numbers (width,) that belong to a seed."""
    random = np.random.default_rng([73, seed])
    return torch.from_numpy(random.standard_normal(width, dtype=np.float32))


def parse_place(text: str) -> tuple[float, float]:
    """Valence and arousal as people write them, `0.8,0.3`; UsageError says what is wrong.

    >>> parse_place("0.8, 0.3")
    (0.8, 0.3)
    """
    hint = "valence and arousal lie in 0..1: `0.8,0.3` is glad and calm"
    try:
        valence, arousal = (parse_number(part) for part in text.split(","))
    except ValueError:
        raise UsageError(f"`{text}` is not `valence,arousal`", hint=hint) from None
    for name, value in (("valence", valence), ("arousal", arousal)):
        if not 0 <= value <= 1:
            raise UsageError(f"the {name} {value:g} is outside 0..1", hint=hint)
    return valence, arousal


def several(place: tuple[float, float], count: int, seed: int) -> list[Wish]:
    """Different landscapes of one mood."""
    return [Wish(*place, seed + index) for index in range(count)]


def over_plane(steps: int, seed: int) -> list[Wish]:
    """One landscape all over the plane: rows of valence from the top down, columns of arousal."""
    ticks = _ticks(steps)
    return [Wish(valence, arousal, seed) for valence in reversed(ticks) for arousal in ticks]


def along(axis: Axis, steps: int, place: tuple[float, float], seed: int) -> list[Wish]:
    """One landscape as valence, or arousal, rises from 0 to 1."""
    valence, arousal = place
    if axis == "v":
        return [Wish(tick, arousal, seed) for tick in _ticks(steps)]
    return [Wish(valence, tick, seed) for tick in _ticks(steps)]


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be painted and where it goes: pictures of their own, or one sheet of them."""

    wishes: Sequence[Wish]
    files: Sequence[Path]
    """One for each wish; the same one for all on a sheet."""
    columns: int | None
    """Of the sheet, if it is one."""
    truncation: float
    size: int | None

    @classmethod
    def of(
        cls,
        *,
        va: str | None = None,
        grid: int | None = None,
        sweep: Axis | None = None,
        count: int = 1,
        seed: int = 0,
        out: Path,
        truncation: float = 1.0,
        size: int | None = None,
    ) -> Self:
        """What was asked for; UsageError for what does not go together or lies outside its range.

        A grid covers the plane with one landscape; a sweep has a row for each of `count`.
        """
        if va is None and grid is None and sweep is None:
            raise UsageError(
                "which mood?", hint="give a place such as `0.8,0.3`, a grid or a sweep"
            )
        if grid is not None and (va is not None or sweep is not None or count != 1):
            raise UsageError(
                "a grid shows one landscape all over the plane: no place, sweep or number goes"
                " with it"
            )
        if not 1 <= count <= MOST_PICTURES:
            raise UsageError(f"{count} landscapes are not between 1 and {MOST_PICTURES}")
        if not 0 <= truncation <= 1:
            raise UsageError(f"a truncation of {truncation:g} is outside 0..1")
        if size is not None and not SMALLEST <= size <= LARGEST:
            raise UsageError(f"the size {size} is outside {SMALLEST}..{LARGEST} pixels")
        if out.suffix.lower() != ".png":
            raise UsageError(f"`{out}` is no PNG", hint="only a PNG can say what it was made by")
        place = MIDDLE if va is None else parse_place(va)
        if grid is not None:
            wishes, columns = over_plane(grid, seed), grid
        elif sweep is not None:
            rows = [along(sweep, SWEPT, place, seed + row) for row in range(count)]
            wishes, columns = [wish for row in rows for wish in row], SWEPT
        else:
            wishes, columns = several(place, count, seed), None
        sheets = columns is not None
        files = [out if sheets else numbered(out, at, count) for at in range(len(wishes))]
        return cls(wishes, files, columns, truncation, size)


def paint_order(order: Order, painter: Painter) -> dict[str, Any]:
    """Paint and save what was asked for; returns what each JSON file beside a picture says."""
    pictures = painter.paint(order.wishes, truncation=order.truncation, size=order.size)
    made = {**painter.weights, "truncation": order.truncation}
    told = [
        {"file": file.name, "valence": wish.valence, "arousal": wish.arousal, "seed": wish.seed}
        for wish, file in zip(order.wishes, order.files, strict=True)
    ]
    if order.columns is not None:
        _save(order.files[0], sheet(list(pictures), order.columns), told, made)
    else:
        for file, pixels, one in zip(order.files, pictures, told, strict=True):
            _save(file, pixels, [one], made)
    return {"landscapes": told, **made}


def sheet(pictures: Sequence[np.ndarray], columns: int) -> np.ndarray:
    """Pictures of one size side by side, uint8 RGB (h, w, 3)."""
    rows = [pictures[at : at + columns] for at in range(0, len(pictures), columns)]
    return np.concatenate([np.concatenate(list(row), axis=1) for row in rows])


def numbered(out: Path, index: int, count: int) -> Path:
    """Where the picture of an index goes: the path itself if there is only one.

    >>> numbered(Path("a/calm.png"), 2, 12).name
    'calm_02.png'
    """
    if count == 1:
        return out
    return out.with_name(f"{out.stem}_{index:0{len(str(count - 1))}d}{out.suffix}")


def _save(path: Path, pixels: np.ndarray, told: list[dict[str, Any]], made: dict[str, Any]) -> None:
    """Write a picture that says it is painted and by what, and the same as JSON beside it."""
    says = {"made": "painted", "synthetic": True, "landscapes": told, **made}
    save_png(path, pixels, says)
    write_json(path.with_suffix(".json"), says)


def _ticks(steps: int) -> list[float]:
    if not LEAST <= steps <= MOST:
        raise UsageError(f"{steps} steps are not between {LEAST} and {MOST}")
    return [index / (steps - 1) for index in range(steps)]
