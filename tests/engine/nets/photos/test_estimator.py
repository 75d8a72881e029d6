"""The one estimator that reads the CC0 age network."""

import numpy as np
import pytest
import torch

from engine.experts.base import Faces
from engine.experts.kinds.age_cc0 import AgeCc0Table
from engine.faces.descriptor import aligned_box
from engine.faces.fitting import fit_points
from engine.images.ranges import to_tensor
from engine.nets.loading import channels_last
from engine.nets.photos.crops import dlib_chip
from engine.nets.photos.estimator import (
    MARGINS,
    OFFSET,
    SLOPE,
    Cc0Estimator,
    in_parts,
    mirrored_views,
)
from engine.worlds.portraits import identity, render, scene


@pytest.fixture(scope="module")
def face():
    """A drawn portrait (256, 256, 3) and its landmarks (68, 2)."""
    pixels = np.asarray(render(identity(940_000), 30, scene(940_000), 256).picture)
    return pixels, fit_points(pixels, aligned_box(256))


@pytest.fixture(scope="module")
def estimator():
    return Cc0Estimator()


def test_the_expert_of_relabel_and_the_estimator_read_the_same_years(face, estimator):
    pixels, points = face
    with torch.inference_mode():
        expert = AgeCc0Table().load(torch.device("cpu"))
        years = expert.predict(Faces([pixels], landmarks=[points])).years
    raw = estimator.raw_years(to_tensor(pixels), torch.from_numpy(points))
    assert raw == pytest.approx(float(years), abs=0.05)


def test_years_are_raw_years_by_the_line(face, estimator):
    pixels, points = to_tensor(face[0]), torch.from_numpy(face[1])
    raw = estimator.raw_years(pixels, points)
    assert estimator.years(pixels, points) == pytest.approx(SLOPE * raw + OFFSET)


def test_one_margin_sees_another_chip_than_all(face, estimator):
    pixels, points = to_tensor(face[0]), torch.from_numpy(face[1])
    alone = [Cc0Estimator(margins=(margin,)).raw_years(pixels, points) for margin in MARGINS]
    assert len({round(years, 3) for years in alone}) == len(MARGINS)
    assert np.mean(alone) == pytest.approx(estimator.raw_years(pixels, points), abs=1e-3)


def test_views_hold_the_crops_and_behind_them_the_mirrored_ones():
    crops = torch.rand(2, 3, 4, 4)
    (views,) = mirrored_views(lambda place: crops, [lambda points: dlib_chip(points, 4, 0.2)])
    assert torch.equal(views[:2], crops)
    assert torch.equal(views[2:], crops.flip(3))


def test_kernels_stored_channels_last_compute_the_same():
    torch.manual_seed(0)
    plain = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.Conv2d(8, 8, 3, groups=8))
    picture = torch.rand(2, 3, 9, 9)
    with torch.inference_mode():
        expected = plain(picture)
        stored = channels_last(plain)
        kernels = [one for one in stored.parameters() if one.dim() == 4]
        assert len(kernels) == 2
        assert all(one.is_contiguous(memory_format=torch.channels_last) for one in kernels)
        torch.testing.assert_close(stored(picture), expected)


def test_views_in_parts_are_what_they_are_at_once():
    views, seen = torch.arange(40.0)[:, None], []

    def net(part):
        seen.append(len(part))
        return part * 2

    assert torch.equal(in_parts(net, views), views * 2)
    assert seen == [16, 16, 8]
