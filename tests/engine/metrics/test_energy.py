import numpy as np
import pytest
import torch
import torch.nn.functional as F

from engine.metrics.energy import (
    BANDS,
    REGIONS,
    RegionBand,
    energy_ratios,
    laplacian,
    region_energies,
)
from engine.metrics.regions import region_masks


def test_the_laplacian_of_a_point_is_its_kernel():
    point = torch.zeros(1, 3, 7, 7)
    point[..., 3, 3] = 1
    middle = laplacian(point)[0, 2:5, 2:5]
    torch.testing.assert_close(middle, torch.tensor([[0.0, 1, 0], [1, -4, 1], [0, 1, 0]]))


def test_a_slope_has_no_energy_inside():
    slope = torch.linspace(-1, 1, 16).expand(1, 3, 16, 16)
    assert laplacian(slope, 0.8)[..., 4:-4].abs().max() < 1e-5


def test_the_truth_has_a_ratio_of_one(photographs, faces):
    ratios = energy_ratios(faces, faces, photographs[0].points[:, 1])
    assert set(ratios) == {RegionBand(region, band) for region in REGIONS for band in BANDS}
    assert all(np.allclose(values, 1) for values in ratios.values())


def test_half_the_contrast_is_a_quarter_of_the_energy(photographs, faces):
    ratios = energy_ratios(faces / 2, faces, photographs[0].points[:, 1])
    assert all(np.allclose(values, 0.25) for values in ratios.values())


def test_blur_loses_energy_everywhere(photographs, faces):
    soft = F.avg_pool2d(F.pad(faces, (1, 1, 1, 1), mode="reflect"), 3, 1)
    ratios = energy_ratios(soft, faces, photographs[0].points[:, 1])
    assert all((values < 0.7).all() for values in ratios.values())


def test_grain_is_strongest_in_the_finest_band(photographs, faces, noise):
    grainy = faces + 0.04 * noise(*faces.shape)
    ratios = energy_ratios(grainy, faces, photographs[0].points[:, 1])
    for region in REGIONS:
        assert (ratios[RegionBand(region, "finest")] > ratios[RegionBand(region, "fine")]).all()


def test_energy_outside_a_region_does_not_count(photographs, faces, noise):
    points = photographs[0].points[:1, 1]
    mask = torch.from_numpy(region_masks(points[0], faces.shape[-1])["eyes"])
    # The Laplacian and its blur reach four pixels.
    reach = F.max_pool2d(mask[None, None].float(), 9, 1, 4)[0, 0] > 0
    changed = torch.where(reach, faces[:1], noise(*faces[:1].shape))
    before, after = (region_energies(x, points) for x in (faces[:1], changed))
    for band in BANDS:
        assert after[RegionBand("eyes", band)] == pytest.approx(before[RegionBand("eyes", band)])
        assert after[RegionBand("skin", band)] > before[RegionBand("skin", band)]


def test_faces_and_points_must_go_together(photographs, faces):
    with pytest.raises(ValueError, match="do not go with"):
        region_energies(faces, photographs[0].points[:1, 1])
