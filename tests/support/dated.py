"""Drawn faces whose hair greys and whose skin roughens with age, and a detector of them."""

import csv
import hashlib

import numpy as np
from PIL import Image

from engine.faces.detect import Face
from tests.engine.photo.conftest import HAIR, drawn_portrait

FACES = {}
"""Landmarks of every picture that was drawn, by a digest of its pixels."""


class Finder:
    """Finds the faces that were drawn here, and none in any other picture."""

    def find(self, pixels, *, every=True):
        points = FACES.get(digest(pixels))
        if points is None:
            return []
        left, top, right, bottom = *points.min(axis=0).tolist(), *points.max(axis=0).tolist()
        return [Face((left, top, right, bottom), 1.0, points, "drawn", 0, False, 0.0)]


def portrait(age, seed, grey=1.0):
    """A face (340, 260, 3) of an age; grey: how much hair and skin follow it."""
    generator = np.random.default_rng(seed)
    size, x, y = generator.uniform((56, 126, 146), (64, 134, 154))
    picture, points = drawn_portrait(size=size, centre=(x, y), seed=seed)
    picture = picture.astype(np.float32)
    old = grey * (age - 30) / 60
    hair = np.abs(picture - HAIR).sum(axis=-1) < 60
    picture[hair] += 110 * old
    rough = generator.normal(0, 1 + 5 * max(old, 0), (*picture.shape[:2], 1))
    picture[round(y - 0.3 * size) :] += rough[round(y - 0.3 * size) :]
    picture = np.clip(picture, 0, 255).astype(np.uint8)
    FACES[digest(picture)] = points
    return picture


def people(folder, count, *, first=0, per_person=1, grey=1.0):
    """Pictures `{age}_{n}.png` and `people.csv` with path, person, sex, age, age_error, split."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for number in range(first, first + count):
        start = float(np.random.default_rng(1000 + number).uniform(30, 85 - 12 * (per_person - 1)))
        for picture in range(per_person):
            age = round(start + 12 * picture)
            name = f"{age}_{number}{picture}.png"
            Image.fromarray(portrait(age, 31 * number + picture, grey)).save(folder / name)
            split = "test" if number % 5 == 4 else "train"
            rows.append((name, f"p{number}", "MF"[number % 2], age, 1 + number % 3, split))
    with (folder / "people.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("path", "person", "sex", "age", "age_error", "split"))
        writer.writerows(rows)
    return folder


def album(folder, ages, *, grey=1.0, seed=5000):
    """Pictures `{age}_{n}.png` of one person at ages."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, age in enumerate(ages):
        Image.fromarray(portrait(age, seed + number, grey)).save(folder / f"{age}_{number}.png")
    return folder


def digest(pixels):
    """Tells pictures apart."""
    return hashlib.sha256(np.ascontiguousarray(pixels).tobytes()).hexdigest()
