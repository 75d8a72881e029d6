"""Landscapes of given valence and arousal, rendered by a trained generator."""

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
from engine.core.errors import UsageError, WeightsError
from engine.core.numbers import parse_number
from engine.images.plausible import BLANK
from engine.images.ranges import to_pixels
from engine.images.saving import save_png, tool_version
from engine.landscapes.inference.batches import sheet
from engine.landscapes.inference.world import world_of
from engine.landscapes.nets.generator import LandscapeGenerator
from engine.nets.loading import frozen
from engine.weights.checkpoint import Checkpoint
from engine.weights.find import find_weights
from engine.weights.load import read_checkpoint

SMALLEST, LARGEST = 16, 2048
MIN_STEPS, MAX_STEPS = 2, 11
"""Landscapes in a row of a grid or a sweep."""
LARGEST_SCALE = 100.0
MAX_COUNT = 1000
Axis = Literal["v", "a"]
CENTRE, SWEEP_STEPS = (0.5, 0.5), 7
"""Valence and arousal of a sweep unless given, and its landscapes per row."""


@dataclass(frozen=True, slots=True)
class LandscapeSample:
    """One landscape to generate: valence and arousal in 0..1, and the seed of its latent."""

    valence: float
    arousal: float
    seed: int


class LandscapeRenderer:
    """A frozen generator, and the description of its weights: name, SHA-256, rating scale."""

    def __init__(self, generator: LandscapeGenerator, weights: dict[str, Any]) -> None:
        self.generator = generator
        self.weights = weights

    @classmethod
    def of(cls, name: str, device: torch.device) -> Self:
        """The generator of a run, a file or shipped weights; WeightsError if it has none."""
        file = find_weights(name)
        checkpoint = read_checkpoint(file)
        weights = {"weights": name, "sha256": file_sha256(file)}
        weights["scale"] = str(checkpoint.facts.get("scale"))
        if (world := world_of(checkpoint)) is not None:
            weights["world"] = f"landscapes {world}"
        return cls(generator_of(checkpoint, device), weights)

    @torch.no_grad()
    def render(
        self,
        samples: Sequence[LandscapeSample],
        *,
        truncation: float = 1.0,
        size: int | None = None,
    ) -> Iterator[np.ndarray]:
        """Landscapes in the order of the samples, uint8 RGB (size, size, 3).

        A sample gives the same landscape whatever the others are. truncation: below 1, latents are
        scaled towards their mean; size: side in px, by resampling; that of the generator if None.
        """
        generator = self.generator
        device = generator.get_buffer("code_mean").device
        # One by one: in a batch, the last bits of an image depend on the size of the batch.
        for sample in samples:
            noise = latent_noise(sample.seed, generator.spec.latent)[None].to(device)
            va = torch.tensor([[sample.valence, sample.arousal]], device=device)
            picture = generator(generator.latents(noise, truncation=truncation), va)
            if size is not None and size != picture.shape[-1]:
                picture = F.interpolate(picture, (size, size), mode="bicubic", antialias=True)
            yield to_pixels(picture[0])


def generator_of(checkpoint: Checkpoint, device: torch.device) -> LandscapeGenerator:
    """The frozen generator of a checkpoint, its tensors copied: the file may change or go."""
    state = {key: value.clone() for key, value in checkpoint.part("generator").items()}
    return frozen(LandscapeGenerator.from_state(state).to(device))


def latent_noise(seed: int, width: int) -> Tensor:
    """The standard normal numbers (width,) of a seed."""
    random = np.random.default_rng([73, seed])
    return torch.from_numpy(random.standard_normal(width, dtype=np.float32))


def parse_va(text: str, scale: float = 1.0) -> tuple[float, float]:
    """Read valence and arousal such as `0.8,0.3`; UsageError if they are not two values in 0..1.

    scale: what 1 is written as: 9 for ratings from 1 to 9, which are divided by it as in training.

    >>> parse_va("0.8, 0.3"), parse_va("9,4.5", scale=9)
    ((0.8, 0.3), (1.0, 0.5))
    """
    if not 0 < scale <= LARGEST_SCALE:
        raise UsageError(f"the scale {scale:g} is outside 0..{LARGEST_SCALE:g}")
    hint = "valence and arousal lie in 0..1: `0.8,0.3` is high valence, low arousal"
    try:
        valence, arousal = (parse_number(part) for part in text.split(","))
    except ValueError:
        raise UsageError(f"`{text}` is not `valence,arousal`", hint=hint) from None
    if scale == 1 and max(valence, arousal) > 1:
        hint += "; ratings from 1 to 9 are given with `--scale 9`"
    for name, value in (("valence", valence), ("arousal", arousal)):
        if not 0 <= value <= scale:
            raise UsageError(f"the {name} {value:g} is outside 0..{scale:g}", hint=hint)
    return valence / scale, arousal / scale


@dataclass(frozen=True, slots=True)
class RenderPlan:
    """The landscapes to render and their files: one file each, or one sheet of all."""

    samples: Sequence[LandscapeSample]
    files: Sequence[Path]
    """One for each sample; on a sheet the same for all."""
    columns: int | None
    """Of the sheet; None for single files."""
    truncation: float
    size: int | None

    @classmethod
    def of(
        cls,
        *,
        va: str | None = None,
        scale: float = 1.0,
        grid: int | None = None,
        sweep: Axis | None = None,
        count: int = 1,
        seed: int = 0,
        out: Path,
        truncation: float = 1.0,
        size: int | None = None,
    ) -> Self:
        """The plan of the arguments, which are those of `engine.app.gan.render_landscapes`."""
        if va is None and grid is None and sweep is None:
            raise UsageError(
                "no valence and arousal given", hint="give them (`0.8,0.3`), a grid or a sweep"
            )
        if grid is not None and (va is not None or sweep is not None or count != 1):
            raise UsageError(
                "a grid shows one landscape over the whole plane: it excludes valence and arousal,"
                " a sweep and a number of landscapes"
            )
        if not 1 <= count <= MAX_COUNT:
            raise UsageError(f"{count} landscapes are not between 1 and {MAX_COUNT}")
        if not 0 <= truncation <= 1:
            raise UsageError(f"a truncation of {truncation:g} is outside 0..1")
        if size is not None and not SMALLEST <= size <= LARGEST:
            raise UsageError(f"the size {size} is outside {SMALLEST}..{LARGEST} pixels")
        if out.suffix.lower() != ".png":
            raise UsageError(f"`{out}` is not a PNG file", hint="only PNG holds our metadata")
        valence, arousal = CENTRE if va is None else parse_va(va, scale)
        columns = None
        if grid is not None:
            ticks, columns = _ticks(grid), grid
            samples = [LandscapeSample(v, a, seed) for v in reversed(ticks) for a in ticks]
        elif sweep is not None:
            ticks, columns = _ticks(SWEEP_STEPS), SWEEP_STEPS
            samples = [
                LandscapeSample(tick, arousal, seed + row)
                if sweep == "v"
                else LandscapeSample(valence, tick, seed + row)
                for row in range(count)
                for tick in ticks
            ]
        else:
            samples = [LandscapeSample(valence, arousal, seed + index) for index in range(count)]
        files = [
            out if columns is not None else numbered(out, index, count)
            for index in range(len(samples))
        ]
        return cls(samples, files, columns, truncation, size)


def render_plan(plan: RenderPlan, renderer: LandscapeRenderer) -> dict[str, Any]:
    """Render and save the landscapes of a plan; returns the content of their JSON files."""
    pictures = renderer.render(plan.samples, truncation=plan.truncation, size=plan.size)
    settings = {**renderer.weights, "truncation": plan.truncation}
    rows = [
        {"file": file.name, "valence": one.valence, "arousal": one.arousal, "seed": one.seed}
        for one, file in zip(plan.samples, plan.files, strict=True)
    ]
    if plan.columns is not None:
        _save(plan.files[0], sheet(list(pictures), plan.columns), rows, settings)
    else:
        for file, pixels, row in zip(plan.files, pictures, rows, strict=True):
            _save(file, pixels, [row], settings)
    return {"landscapes": rows, **settings}


def numbered(out: Path, index: int, count: int) -> Path:
    """The file of an index: `out` with a number, or `out` itself if `count` is 1.

    >>> numbered(Path("a/lake.png"), 2, 12).name
    'lake_02.png'
    """
    if count == 1:
        return out
    return out.with_name(f"{out.stem}_{index:0{len(str(count - 1))}d}{out.suffix}")


def _save(
    path: Path, pixels: np.ndarray, rows: list[dict[str, Any]], settings: dict[str, Any]
) -> None:
    """Write a PNG with its provenance as metadata, and the same as JSON beside it.

    WeightsError for a blank picture, which no landscape is.
    """
    if pixels.std() < BLANK:
        raise WeightsError(
            f"the network gave a blank picture (every pixel about {pixels.mean():.0f})",
            hint="get its weights again, or train them longer",
        )
    provenance = {"made": "generated", "synthetic": True, "landscapes": rows, **settings}
    save_png(path, pixels, provenance)
    write_json(path.with_suffix(".json"), {"tool": f"tm {tool_version()}", **provenance})


def _ticks(steps: int) -> list[float]:
    if not MIN_STEPS <= steps <= MAX_STEPS:
        raise UsageError(f"{steps} steps are not between {MIN_STEPS} and {MAX_STEPS}")
    return [index / (steps - 1) for index in range(steps)]
