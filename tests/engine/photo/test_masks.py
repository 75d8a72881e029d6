import numpy as np
import pytest

from engine.photo.features import view_of
from engine.photo.masks import guided


@pytest.fixture
def view(portrait, model):
    return view_of(*portrait, model.mean_points)


def at(view, plane, index, shift=(0, 0)):
    x, y = np.round(view.points[index] + shift).astype(int)
    return float(plane[y, x])


def test_cheeks_are_skin_and_the_cap_is_hair(view):
    masks = view.masks
    assert at(view, masks.skin, 33, (-25, 0)) > 0.7
    assert at(view, masks.hair, 33, (-25, 0)) < 0.1
    assert at(view, masks.hair, 70, (0, 16)) > 0.6
    assert at(view, masks.skin, 70, (0, 16)) < 0.3


def test_the_backdrop_is_neither(view):
    for corner in (np.s_[:40, :30], np.s_[:40, -30:]):
        assert view.masks.skin[corner].max() < 0.1
        assert view.masks.hair[corner].max() < 0.1
        assert view.masks.person[corner].max() < 0.2


def test_eyes_and_mouth_are_not_skin(view):
    assert view.masks.eyes[tuple(view.points[36:42].mean(axis=0).astype(int)[::-1])] > 0.9
    assert view.masks.mouth[tuple(view.points[60:68].mean(axis=0).astype(int)[::-1])] > 0.9


def test_masks_are_shares_and_the_same_each_time(portrait, model, view):
    again = view_of(*portrait, model.mean_points)
    for name in ("person", "skin", "hair", "brows", "eyes", "mouth", "face", "frames"):
        plane = getattr(view.masks, name)
        assert plane.shape == (320, 256)
        assert plane.min() >= 0
        assert plane.max() <= 1 + 1e-6
        assert np.array_equal(plane, getattr(again.masks, name))


def test_a_given_person_mask_rules(portrait, model):
    pixels, points = portrait
    nobody = np.zeros(pixels.shape[:2], np.float32)
    assert view_of(pixels, points, model.mean_points, nobody).masks.hair.max() < 0.05


def test_glasses_are_noticed(portrait, model):
    import cv2

    pixels, points = portrait
    bare = view_of(pixels, points, model.mean_points).masks.glasses
    worn = pixels.copy()
    for eye in (points[36:42], points[42:48]):
        x, y = np.round(eye.mean(axis=0)).astype(int)
        cv2.ellipse(worn, (int(x), int(y)), (24, 19), 0, 0, 360, (15, 15, 15), 2, cv2.LINE_AA)
    cv2.line(worn, (124, 150), (136, 150), (15, 15, 15), 2, cv2.LINE_AA)
    assert bare < 0.3
    assert view_of(worn, points, model.mean_points).masks.glasses > 0.8


def test_a_guided_mask_takes_the_edge_of_its_guide():
    guide = np.zeros((40, 40), np.float32)
    guide[:, 20:] = 1
    rough = np.zeros((40, 40), np.float32)
    rough[:, 17:] = 1
    sharp = guided(guide, rough, 6)
    assert sharp[20, 22] > 0.9
    assert sharp[20, 18] < 0.5 < rough[20, 18]
