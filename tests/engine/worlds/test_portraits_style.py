"""A person's own way of ageing can be read from pictures of ages 20 to 50."""

import cv2
import numpy as np
import pytest

from engine.worlds.portraits import STYLE_TRAITS, identity, render, scene, seeds

AGES = (20, 25, 30, 35, 40, 45, 50)
YOUNG = 3  # the first three ages are the reference for what came later
PUPILS, READERS = 600, 100
SIZE = 128

# Where to look, in eye distances from between the eyes: hair and forehead on a grid, then sides.
HAIR = [(x, y) for y in (-1.6, -1.35, -1.1, -0.9, -0.7, -0.5) for x in (-0.8, -0.4, 0, 0.4, 0.8)]
TEMPLE = [(1.1, -1.0), (1.1, -0.5), (1.15, 0.3)]
SKIN = [(0.75, 0.9), (0.7, 0.5), (0.5, 0.22), (0.5, 0.32), (0.8, 0.0), (0.8, -0.15), (0.8, 0.12)]
SKIN += [(0.12, -0.25), (0.5, -0.2), (0.5, -0.32), (0.35, 0.62), (0.45, 0.78), (0.5, 0.95)]
SKIN += [(0.45, 1.2), (0.55, 1.35), (0.85, 0.7), (0.7, 1.15), (0.5, 1.55)]
MIDDLE = [(0, -0.25), (0, 1.75), (0, 0.9)]
PLACES = np.array(
    HAIR + [(side * x, y) for side in (-1, 1) for x, y in TEMPLE + SKIN] + MIDDLE, np.float32
)
SIDE = [i for i, (x, _) in enumerate(PLACES) if 1.05 < abs(x) < 1.12]
CHEEK = [i for i, (x, y) in enumerate(PLACES) if 0.65 < abs(x) < 0.8 and 0.4 < y < 1.0]


def signs(portrait):
    """Colour, edges and fine texture at the places, hair against skin, shape of the landmarks."""
    lab = cv2.cvtColor(portrait.picture, cv2.COLOR_RGB2LAB).astype(np.float32)
    light = np.log(lab[..., 0] + 20) * 60
    maps = list(cv2.split(lab))
    for scale in (1.0, 2.2):
        soft = cv2.GaussianBlur(light, (0, 0), scale)
        bend = cv2.Laplacian(soft, cv2.CV_32F)
        maps += [np.abs(cv2.Sobel(soft, cv2.CV_32F, *way)) for way in ((1, 0), (0, 1))]
        maps += [np.maximum(bend, 0), bend]
    maps.append(np.abs(light - cv2.GaussianBlur(light, (0, 0), 1.0)))

    marks = portrait.landmarks
    left, right = marks[36:42].mean(0), marks[42:48].mean(0)
    middle, across = (left + right) / 2, right - left
    down = np.array([-across[1], across[0]])
    spots = np.float32(middle + PLACES[:, :1] * across + PLACES[:, 1:] * down)[None]
    read = [
        cv2.remap(cv2.GaussianBlur(layer, (0, 0), 2.5), spots, None, cv2.INTER_LINEAR).ravel()
        for layer in maps
    ]
    colour = np.stack(read[:3], 1)
    hair, skin = colour[SIDE].mean(0), colour[CHEEK].mean(0)
    bare = (colour[: len(HAIR)] - hair) @ (skin - hair) / (np.sum((skin - hair) ** 2) + 150)
    shape = (marks - middle) @ np.stack([across, down]).T / (across @ across)
    return np.concatenate([*read, 30 * np.clip(bare, -1, 2), 30 * shape.ravel()])


def album(seed):
    """What a person's photos show: the mean of the young ones, of the later ones, the change."""
    person = identity(seed)
    photos = [
        signs(render(person, age, scene(10 * seed + place), SIZE)) for place, age in enumerate(AGES)
    ]
    young, later = np.mean(photos[:YOUNG], 0), np.mean(photos[YOUNG:], 0)
    seen = np.concatenate([young, later, later - young])
    return np.sign(seen) * np.sqrt(np.abs(seen))


@pytest.fixture(scope="module")
def explained():
    """Share of each trait's variance that a ridge regression explains in people it has not met."""
    people = [*seeds.TRAIN[:PUPILS], *seeds.VALIDATION[:READERS]]
    signs_of = np.array([album(seed) for seed in people])
    traits = np.array([list(identity(seed).style.values()) for seed in people])
    known, mean = signs_of[:PUPILS], traits[:PUPILS].mean(0)
    scaled = (signs_of - known.mean(0)) / (known.std(0) + 0.02 * np.abs(signs_of).mean())
    scaled = np.clip(scaled, -3, 3)
    alike = scaled @ scaled[:PUPILS].T / scaled.shape[1]
    size = (scaled**2).mean(1)
    apart = size[:, None] + size[:PUPILS] - 2 * alike
    likeness = alike + np.exp(-0.3 * apart)
    ridge = likeness[:PUPILS] + 0.02 * np.eye(PUPILS)
    guess = likeness[PUPILS:] @ np.linalg.solve(ridge, traits[:PUPILS] - mean) + mean
    truth = traits[PUPILS:]
    missed = ((guess - truth) ** 2).sum(0) / ((truth - truth.mean(0)) ** 2).sum(0)
    return dict(zip(STYLE_TRAITS, 1 - missed, strict=True))


@pytest.mark.parametrize("trait", STYLE_TRAITS)
def test_a_style_trait_can_be_read_from_seven_photos(explained, trait):
    assert explained[trait] >= 0.6
