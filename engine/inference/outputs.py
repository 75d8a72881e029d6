"""The files of one photo: portraits, pairs, the photo with the new face, strip, film."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from engine.faces.rotation import Pixels
from engine.images.ranges import to_pixels
from engine.images.saving import save_png
from engine.images.sheet import PAPER, contact_sheet
from engine.inference.ager import AgedFace
from engine.inference.morph import save_film
from engine.inference.pasting import pasted
from engine.inference.plan import InferPlan
from engine.inference.subject import Subject

FILMS = ("morph.gif", "morph.mp4")


def at_size(pixels: Pixels, size: int | None) -> Pixels:
    """A square picture resized to (size, size, 3); unchanged for None."""
    if size is None or size == pixels.shape[0]:
        return pixels
    picture = Image.fromarray(pixels)
    return np.asarray(picture.resize((size, size), Image.Resampling.LANCZOS))


def provenance(
    subject: Subject, plan: InferPlan, age: float, beyond: float | None
) -> dict[str, Any]:
    """The text inside a portrait's PNG.

    beyond: years from the age to the person's photos, None for a model of anybody.
    """
    extrapolated = {"extrapolated_years": beyond} if beyond else {}
    return extrapolated | {
        "made": "re-aged",
        "synthetic": True,
        "target_age": age,
        "strength": plan.strength,
        "source_sha256": subject.sha256,
    }


def save_beside(
    path: Path, pixels: Pixels, subject: Subject, plan: InferPlan, made: dict[str, Any]
) -> None:
    """Write the pair of input and portrait, and the photo with the portrait pasted in."""
    if plan.coupled:
        pair = np.hstack([subject.face(pixels.shape[0]), pixels])
        save_png(path.with_name(f"{path.stem}_coupled.png"), pair, made)
    if plan.paste:
        whole = pasted(subject, pixels)
        save_png(path.with_name(f"{path.stem}_pasted.png"), whole, made)


def save_strip(
    stem: Path,
    subject: Subject,
    portraits: Sequence[Pixels],
    plan: InferPlan,
    rows: Sequence[dict[str, Any]],
    truth: Mapping[float, Pixels],
) -> None:
    """Write the input and its portraits in a row, and below them the truth where it is known."""
    cell = min(max(portraits[0].shape[0], 192), 256)
    captions = ["input\n", *(_caption(row) for row in rows)]
    pictures = [at_size(picture, cell) for picture in (subject.face(cell), *portraits)]
    columns = len(pictures)
    if truth:
        blank = np.full((cell, cell, 3), PAPER, np.uint8)
        pictures += [blank, *(at_size(truth.get(age, blank), cell) for age in plan.ages)]
        captions += ["\n", *(f"truth at {a:g}\n" if a in truth else "\n" for a in plan.ages)]
    strip = contact_sheet(pictures, captions, columns=columns, cell=cell)
    made = {"made": "re-aged strip", "synthetic": True, "target_ages": list(plan.ages)}
    save_png(stem.with_name(f"{stem.name}_strip.png"), strip, made)


def made_beside(output: str) -> list[str]:
    """A portrait's path in `out`, and those of all that a run may write beside it.

    >>> made_beside("ann/a_age30.png")[:3]
    ['ann/a_age30.png', 'ann/a_age30_coupled.png', 'ann/a_age30_pasted.png']
    """
    name = output.removesuffix(".png")
    stem = name.rpartition("_age")[0]
    pairs = [f"{name}_{what}.png" for what in ("coupled", "pasted")]
    return [output, *pairs, *(f"{stem}_{what}" for what in ("strip.png", *FILMS))]


def stale_names(stem: Path, plan: InferPlan) -> list[str]:
    """Strip, films, pairs and pasted photos of one photo, by their paths in `out`: they show all
    ages at once, or stand beside a picture, and are of no use once those are made anew."""
    names = [stem.with_name(f"{stem.name}_{what}") for what in ("strip.png", *FILMS)]
    for age in plan.ages:
        name = f"{stem.name}_age{age:g}"
        names += [stem.with_name(f"{name}_{what}.png") for what in ("coupled", "pasted")]
    return [path.relative_to(plan.out).as_posix() for path in names]


def _caption(row: dict[str, Any]) -> str:
    estimates = []
    if row["predicted_age"] is not None:
        estimates.append(f"looks {row['predicted_age']:.0f}")
    if row["identity"] is not None:
        estimates.append(f"identity {row['identity']:.2f}")
    extrapolated = ", extrapolated" if row["extrapolated_years"] else ""
    return f"{row['target_age']:g} years{extrapolated}\n{', '.join(estimates)}"


def save_morph(stem: Path, aged: AgedFace, plan: InferPlan) -> None:
    """Write the film across the ages."""
    assert plan.film is not None
    frames: list[Pixels] = []
    for picture in aged.frames(plan.morphing.frames):
        side = min(plan.morphing.side, picture.shape[-1])
        frames.append(at_size(to_pixels(picture), side))
    save_film(stem.with_name(f"{stem.name}_morph.{plan.film}"), frames, plan.film)
