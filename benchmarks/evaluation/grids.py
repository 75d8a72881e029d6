"""Sheets of an evaluation: truth above output at every age, and close-ups of eyes and mouth."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from engine.geometry.landmarks import eyes, mouth_centre
from engine.images.sheet import contact_sheet
from engine.images.srgb import Pixels
from evaluation.ageing import AgedAlbum
from evaluation.album import Album

ENLARGED = 4
CLOSE_UP = 7 / 16
"""Side of a close-up in sides of the picture: both eyes and their surroundings."""


def ageing_grid(aged: AgedAlbum, people: Sequence[int]) -> Pixels:
    """Two rows a person, truth above output; columns are the targets, the input is marked."""
    pictures, captions = [], []
    for person in people:
        seed, start = int(aged.truth.people[person]), int(aged.starts[person])
        for row, word in ((aged.truth.pictures[person], "truth"), (aged.outputs[person], "output")):
            pictures += list(row)
            captions += [
                f"{age:g} {word}{' = input' if at == start and word == 'truth' else ''}\n{seed}"
                for at, age in enumerate(aged.truth.ages)
            ]
    size = aged.outputs.shape[-2]
    return contact_sheet(pictures, captions, columns=len(aged.truth.ages), cell=size)


def reconstruction_grid(album: Album, outputs: Pixels, rows: Sequence[tuple[int, int]]) -> Pixels:
    """A row for each (person, age) index: truth and output whole, then their eyes and mouths."""
    pictures, captions = [], []
    side = round(album.pictures.shape[-2] * CLOSE_UP)
    for person, at in rows:
        points = album.points[person, at]
        pair = album.pictures[person, at], outputs[person, at]
        for centre, part in (
            (None, "whole"),
            (eyes(points).centre, f"eyes x{ENLARGED}"),
            (mouth_centre(points), f"mouth x{ENLARGED}"),
        ):
            for pixels, word in zip(pair, ("truth", "output"), strict=True):
                pictures.append(pixels if centre is None else close_up(pixels, centre, side))
                captions.append(f"{word}, {part}\n{album.people[person]} at {album.ages[at]:g}")
    return contact_sheet(pictures, captions, columns=6, cell=side * ENLARGED)


def close_up(pixels: Pixels, centre: NDArray[np.floating], side: int) -> Pixels:
    """Cut a square of that side around (x, y), moved inside the picture, and enlarge it."""
    height, width = pixels.shape[:2]
    left = int(np.clip(round(float(centre[0]) - side / 2), 0, width - side))
    top = int(np.clip(round(float(centre[1]) - side / 2), 0, height - side))
    patch = pixels[top : top + side, left : left + side]
    return patch.repeat(ENLARGED, axis=0).repeat(ENLARGED, axis=1)
