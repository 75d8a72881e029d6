"""Every known failure raises its flag; held-out landscapes of the same world raise none."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from engine.images.ranges import to_tensors
from engine.landscapes.metrics.red_flags import CAUSES, FlagLimits, flag_statistics
from engine.worlds.landscapes import render, scene_va

SIDE = 32


def landscapes(first, count):
    return to_tensors(
        np.stack([render(*scene_va(s), s, SIDE).picture for s in range(first, first + count)])
    )


@pytest.fixture(scope="module")
def known():
    return landscapes(0, 96)


@pytest.fixture(scope="module")
def unseen():
    return landscapes(400_000, 32)


@pytest.fixture(scope="module")
def limits(known):
    return FlagLimits.of(known)


def checkered(pictures, cell, by):
    pixels = torch.arange(SIDE) // cell
    return pictures + by * (((pixels[:, None] + pixels) % 2) * 2.0 - 1)


def blurred(pictures, sigma):
    ticks = torch.arange(-4, 5).float()
    row = torch.exp(-ticks.square() / (2 * sigma**2))
    kernel = (row[:, None] * row / row.sum() ** 2).expand(3, 1, 9, 9)
    return F.conv2d(F.pad(pictures, (4,) * 4, mode="replicate"), kernel, groups=3)


def banded(pictures):
    return pictures + 0.12 * torch.sin(torch.arange(SIDE) * 2 * math.pi / 3.2)[:, None]


def blocky(pictures):
    coarse = F.interpolate(F.avg_pool2d(pictures, 8), scale_factor=8)
    return 0.3 * pictures + 0.7 * coarse


def crossed(pictures):
    pixels = torch.arange(SIDE)
    arms = ((pixels[:, None] - pixels).abs() < 2) | (
        (pixels[:, None] + pixels - SIDE + 1).abs() < 2
    )
    return torch.where(arms, pictures, blurred(pictures, 1.5))


FAULTS = {
    "contrast": lambda x: 0.08 * (x - x.mean()) + x.mean(),
    "colour": lambda x: x.mean(dim=1, keepdim=True).expand_as(x),
    "checker_2": lambda x: checkered(x, 1, 0.04),
    "checker_4": lambda x: checkered(x, 2, 0.10),
    "blocks": blocky,
    "banding": banded,
    "spectral_slope": lambda x: blurred(x, 1.0),
    "sharpness": lambda x: blurred(x, 1.0),
    "clipping": lambda x: 2.5 * x + 0.2,
    "cross": crossed,
}


@pytest.mark.parametrize("flag", FAULTS)
def test_an_injected_fault_is_flagged(flag, limits, unseen):
    broken = FAULTS[flag](unseen).clamp(-1, 1)
    for few in (broken[:16], broken[16:]):
        assert flag in limits.raised(few)


def test_unseen_landscapes_raise_no_flag(limits, unseen):
    for few in (unseen[:16], unseen[16:], unseen):
        assert limits.raised(few) == {}


def test_every_flag_has_a_cause_and_a_fault_here():
    other = {"collapse", "ignores_va", "copies", "gamma", "overconfident"}
    assert set(FAULTS) | other == set(CAUSES)
    assert set(flag_statistics(torch.zeros(1, 3, SIDE, SIDE))) == set(FAULTS) - {"cross"}


@pytest.mark.parametrize("side", [16, 64, 128])
def test_statistics_are_finite_at_other_sizes_even_of_plain_grey(side):
    for pictures in (torch.zeros(2, 3, side, side), torch.rand(2, 3, side, side) * 2 - 1):
        assert all(torch.isfinite(values).all() for values in flag_statistics(pictures).values())


def test_too_few_pictures_raise_no_flag_but_an_error(limits, unseen):
    with pytest.raises(ValueError, match="too few"):
        limits.raised(unseen[:15])


def test_limits_of_the_same_pictures_are_the_same(known, limits):
    assert FlagLimits.of(known) == limits
