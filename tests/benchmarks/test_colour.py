import cv2
import numpy as np
import pytest
from evaluation.colour import ColourRange, colour_plane, region_planes, tone

from engine.metrics.regions import region_masks


def plain(*rgb):
    return np.full((4, 4, 3), rgb, np.uint8)


EVERYWHERE = np.ones((4, 4), bool)


@pytest.mark.parametrize(("rgb", "hue"), [((255, 0, 0), 40), ((0, 0, 255), 306)])
def test_hues_are_those_of_cielab(rgb, hue):
    colour = tone(plain(*rgb), EVERYWHERE)
    assert colour.hue == pytest.approx(hue, abs=1)
    assert colour.saturation > 100


def test_grey_has_no_saturation():
    assert tone(plain(120, 120, 120), EVERYWHERE).saturation < 0.5


def test_colours_of_the_truth_are_within_its_own_range(photographs):
    album = photographs[0]
    planes = region_planes(album.pictures[:, 2], album.points[:, 2])
    for region, references in planes.items():
        allowed = ColourRange.of(region, references)
        assert np.mean([allowed.holds(plane) for plane in references]) >= 0.8
        assert np.mean([allowed.outside(plane) for plane in references]) <= 0.03


def test_blue_hair_is_outside_the_range_of_old_people(photographs):
    album, other = photographs
    allowed = ColourRange.of(
        "hair", region_planes(other.pictures[:, 2], other.points[:, 2])["hair"]
    )
    for pixels, points in zip(album.pictures[:, 2], album.points[:, 2], strict=True):
        mask = region_masks(points, pixels.shape[0])["hair"]
        lab = cv2.cvtColor(pixels.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
        lab[mask, 2] -= 40
        blue = (cv2.cvtColor(lab, cv2.COLOR_LAB2RGB).clip(0, 1) * 255).round().astype(np.uint8)
        assert not allowed.holds(colour_plane(blue, mask))
        assert allowed.outside(colour_plane(blue, mask)) > 0.5


def test_rare_colours_are_left_out_of_the_range(rng):
    common = rng.normal(0, 4, (5000, 2)).astype(np.float32)
    rare = np.full((50, 2), 60, np.float32)
    allowed = ColourRange.of("hair", [np.concatenate([common, rare])])
    assert allowed.outside(rare) == 1
    assert allowed.outside(common) < 0.02
