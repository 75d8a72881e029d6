import numpy as np
import pytest

from engine.geometry.landmarks import LEFT_EYE, MOUTH, eyes
from engine.metrics.regions import region_masks


@pytest.fixture
def points(photographs):
    return photographs[0].points[0, 1]


def test_eyes_and_mouth_lie_in_their_regions(points):
    masks = region_masks(points, 96)
    for name, part in (("eyes", LEFT_EYE), ("mouth", MOUTH)):
        x, y = np.rint(points[part]).astype(int).T
        assert masks[name][y, x].all()


def test_regions_do_not_overlap(points):
    masks = region_masks(points, 96)
    assert max(np.sum(list(masks.values()), axis=0).ravel()) == 1


def test_hair_is_above_and_skin_between_eyes_and_mouth(points):
    masks = region_masks(points, 96)
    middle = {name: np.argwhere(mask).mean(axis=0) for name, mask in masks.items()}
    assert middle["hair"][0] < eyes(points).centre[1] < middle["mouth"][0]
    assert all(mask.sum() > 30 for mask in masks.values())


def test_regions_rotate_with_the_face(points):
    upright = region_masks(points, 96)
    turned = region_masks(np.stack([points[:, 1], 95 - points[:, 0]], axis=1), 96)
    for name, mask in upright.items():
        assert (turned[name] == np.rot90(mask)).mean() > 0.995
