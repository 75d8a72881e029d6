from collections import Counter
from itertools import pairwise

import cv2
import numpy as np
import pytest
import torch

from engine.landscapes.metrics.structure import equalised
from engine.worlds.landscapes import KINDS, render, scene, scene_va
from engine.worlds.landscapes.air import fill_air
from engine.worlds.landscapes.composition import composed
from engine.worlds.landscapes.grade import LUMA, fitted
from engine.worlds.landscapes.mood import mood_of
from engine.worlds.landscapes.population import population
from engine.worlds.landscapes.reference import (
    LARGEST_TOLERANCE,
    MEAN_TOLERANCE,
    REFERENCE_DIGESTS,
    REFERENCES,
    drift,
)
from engine.worlds.landscapes.seeds import TEST_START, TRAIN, VA_EVALUATOR, VALIDATION
from engine.worlds.landscapes.terrain import FARTHEST, land, visibility

SEEDS = (100, 101, 102, 109)


def luma(picture):
    return picture.astype(np.float32) / 255 @ LUMA


def chroma(picture):
    return float((picture.max(axis=2).astype(float) - picture.min(axis=2)).mean())


def warmth(picture):
    return float((picture[..., 0].astype(float) - picture[..., 2]).mean())


def test_the_world_is_the_version_that_was_frozen():
    mean, largest = drift()
    assert mean <= MEAN_TOLERANCE
    assert largest <= LARGEST_TOLERANCE
    assert len(REFERENCE_DIGESTS) == len(REFERENCES)
    assert {scene(seed).kind for *_, seed in REFERENCES} == set(KINDS)


def test_a_seed_valence_and_arousal_give_the_same_picture_every_time():
    one, other = (render(0.3, 0.7, 102, 32).picture for _ in range(2))
    assert np.array_equal(one, other)
    assert not np.array_equal(one, render(0.3, 0.7, 103, 32).picture)


def test_the_same_scene_at_another_size_is_the_same_picture():
    small, large = render(0.6, 0.4, 101, 64).picture, render(0.6, 0.4, 101, 128).picture
    shrunk = cv2.resize(large, (64, 64), interpolation=cv2.INTER_AREA)
    assert np.abs(small.astype(float) - shrunk).mean() < 8


@pytest.mark.parametrize("seed", SEEDS)
def test_valence_brings_light_colour_and_warmth(seed):
    shots = [render(v, 0.5, seed, 32).picture for v in (0.1, 0.5, 0.9)]
    for measure in (lambda p: float(luma(p).mean()), chroma, warmth):
        low, middle, high = map(measure, shots)
        assert low < middle < high


@pytest.mark.parametrize("seed", SEEDS)
def test_arousal_brings_contrast_and_edges(seed):
    shots = [render(0.5, a, seed, 32).picture for a in (0.1, 0.5, 0.9)]
    spread = [float(luma(shot).std()) for shot in shots]
    edges = [float(np.abs(np.diff(luma(shot), axis=1)).mean()) for shot in shots]
    assert spread == sorted(spread)
    assert edges[0] < edges[2]
    assert spread[2] > 1.2 * spread[0]


CORNERS = {name: (v, a) for name, v, a in (
    ("glad", 0.95, 0.05), ("wild", 0.95, 0.95), ("bleak", 0.05, 0.05), ("storm", 0.05, 0.95),
)}  # fmt: skip


def crowd(kind, corner):
    """How many of each shape the first scene of a kind has at a corner of the plane."""
    seed = next(seed for seed in range(100, 200) if scene(seed).kind == kind)
    return Counter(
        being.shape for being in population(scene(seed), mood_of(*CORNERS[corner], seed))
    )


@pytest.mark.parametrize("kind", KINDS)
def test_glad_scenes_are_peopled_and_bleak_ones_dead(kind):
    friendly = {"house", "tent", "boat", "sheep", "flower", "palm", "leafy"}
    ruined = {"rock", "shard", "stump", "bare", "snag"}
    for high, low in (("glad", "bleak"), ("wild", "storm")):
        glad, bleak = crowd(kind, high), crowd(kind, low)
        assert sum(glad[name] for name in friendly) >= sum(bleak[name] for name in friendly) + 5
        assert sum(bleak[name] for name in ruined) >= sum(glad[name] for name in ruined) + 5
        assert bleak["house"] + bleak["tent"] == 0 < glad["house"] + glad["tent"]


def test_arousal_bends_what_stands_tears_the_mountains_and_lifts_birds():
    calm, wild = (mood_of(*CORNERS[name], 109) for name in ("glad", "wild"))
    still, torn = (composed(scene(109), mood) for mood in (calm, wild))
    assert all(being.lean == 0 for being in population(still, calm))
    leans = [being.lean for being in population(torn, wild) if being.shape == "leafy"]
    assert leans
    assert all(lean * torn.side > 0.2 for lean in leans)
    assert torn.mountains > 2 * still.mountains
    assert torn.jagged > 0.9 > 0.1 > still.jagged
    sky = np.full((3, 64, 64), 0.5, np.float32)
    bleak, storm = (mood_of(*CORNERS[name], 109) for name in ("bleak", "storm"))
    assert np.array_equal(fill_air(sky, still, bleak), sky)
    assert fill_air(sky, torn, storm).max() > 0.9
    assert fill_air(sky, torn, storm).min() < 0.3


@pytest.mark.parametrize("seed", SEEDS)
def test_the_mood_is_drawn_and_not_only_coloured(seed):
    shots = [render(*va, seed, 32).picture for va in CORNERS.values()]
    planes = equalised(torch.from_numpy(np.stack(shots)).permute(0, 3, 1, 2) / 127.5 - 1)
    for one, other in ((0, 1), (2, 3), (0, 2), (1, 3)):
        # Two pictures without anything in common are .67 apart.
        assert (planes[one] - planes[other]).abs().mean() > 0.25


def test_the_ground_truth_has_the_arguments():
    truth = render(0.25, 0.75, 100, 32).truth
    assert truth == {"seed": 100, "valence": 0.25, "arousal": 0.75, "kind": "coast", "size": 32}


@pytest.mark.parametrize("va", [(-0.1, 0.5), (0.5, 1.1), (float("nan"), 0.5)])
def test_valence_or_arousal_outside_the_plane_is_refused(va):
    with pytest.raises(ValueError, match="must lie in 0..1"):
        render(*va, seed=1, size=32)


def test_every_kind_of_scene_comes_up_and_the_plane_is_covered():
    assert {scene(seed).kind for seed in range(100)} == set(KINDS)
    va = np.array([scene_va(seed) for seed in range(400)])
    counts, _, _ = np.histogram2d(*va.T, bins=4, range=[(0, 1), (0, 1)])
    assert counts.min() >= 10


def test_far_ground_hides_behind_near_hills():
    view = scene(109)
    ground = land(view, 64)
    visible = visibility(ground, view, 64)
    # Down a column of pixels the ground comes nearer.
    slices = np.where(visible.ground, visible.slice, 999)
    assert (np.diff(slices, axis=0)[visible.ground[:-1]] <= 1e-4).all()
    assert ground.distance.max() == pytest.approx(FARTHEST)


def test_colours_that_do_not_fit_are_brought_in_softly():
    wild = np.array([[2.0, -0.5, 0.5], [0.2, 0.3, 0.4]], np.float32).T[:, :, None]
    tame = fitted(wild)
    assert tame.min() >= 0
    assert tame.max() <= 1
    assert np.allclose(tame[:, 1], wild[:, 1])
    assert fitted(np.full((3, 1, 1), 5.0, np.float32)).max() <= 1


def test_seeds_for_training_evaluation_and_tests_are_disjoint():
    ranges = (TRAIN, VA_EVALUATOR, VALIDATION)
    ends = [(r.start, r.stop) for r in ranges]
    assert all(a[1] <= b[0] for a, b in pairwise(ends))
    assert ends[-1][1] <= TEST_START
