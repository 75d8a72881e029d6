import numpy as np
import pytest

from engine.geometry.landmarks import LEFT_EYE, MOUTH, eyes
from engine.metrics.regions import regions


@pytest.fixture
def points(photographs):
    return photographs[0].points[0, 1]


def test_eyes_and_mouth_lie_in_their_regions(points):
    found = regions(points, 96)
    for name, part in (("eyes", LEFT_EYE), ("mouth", MOUTH)):
        x, y = np.rint(points[part]).astype(int).T
        assert found[name][y, x].all()


def test_regions_do_not_overlap(points):
    found = regions(points, 96)
    assert max(np.sum(list(found.values()), axis=0).ravel()) == 1


def test_hair_is_above_and_skin_between_eyes_and_mouth(points):
    found = regions(points, 96)
    middle = {name: np.argwhere(mask).mean(axis=0) for name, mask in found.items()}
    assert middle["hair"][0] < eyes(points).centre[1] < middle["mouth"][0]
    assert all(mask.sum() > 30 for mask in found.values())


def test_regions_turn_with_the_face(points):
    upright = regions(points, 96)
    turned = regions(np.stack([points[:, 1], 95 - points[:, 0]], axis=1), 96)
    for name, mask in upright.items():
        assert (turned[name] == np.rot90(mask)).mean() > 0.995
