"""Anchor ages: bins, interpolation weights, and soft labels."""

import pytest
import torch

from engine.core.errors import WeightsError
from engine.data.anchors import DEFAULT, Anchors

TEN = Anchors.at(DEFAULT)


def test_default_bins_are_decades():
    assert TEN.bins == (*((low, low + 10) for low in range(0, 90, 10)), (90, 120))


def test_the_preset_is_that_of_ffhq_aging():
    preset = Anchors.ffhq_aging()
    lows = [low for low, _ in preset.bins]
    assert lows == [0, 3, 7, 10, 15, 20, 30, 40, 50, 70]
    assert preset.years[0] == 1
    assert preset.years[5] == 24.5
    assert len(preset) == 10


def test_an_age_has_shares_of_its_two_neighbours():
    weights = TEN.weights(torch.tensor([5.0, 42.5, 95.0, 2.0, 99.0]))
    assert torch.equal(weights[0], torch.eye(10)[0])
    assert weights[1].nonzero().flatten().tolist() == [3, 4]
    torch.testing.assert_close(weights[1, 3:5], torch.tensor([0.25, 0.75]))
    assert torch.equal(weights[2:], torch.eye(10)[[9, 0, 9]])
    years = torch.tensor(TEN.years)
    ages = torch.linspace(5, 95, 37).view(37, 1)
    torch.testing.assert_close(TEN.weights(ages) @ years, ages)


def test_a_label_without_spread_is_one_bin_and_one_with_spread_several():
    ages, spread = torch.tensor([40.0, 39.9, 40.0]), torch.tensor([0.0, 0.0, 5.0])
    labels = TEN.labels(ages, spread)
    assert torch.equal(labels[:2], torch.eye(10)[[4, 3]])
    torch.testing.assert_close(labels[2, 3], labels[2, 4], atol=1e-3, rtol=0)
    torch.testing.assert_close(labels.sum(dim=1), torch.ones(3))
    # 40 +- 5 reaches 50 at two deviations: 2.3 % of a normal distribution lie beyond.
    assert labels[2, 5:].sum() == pytest.approx(0.0228, abs=1e-3)


def test_anchors_survive_a_checkpoint():
    for anchors in (TEN, Anchors.ffhq_aging()):
        assert Anchors.of(anchors.facts()) == anchors
    with pytest.raises(WeightsError, match="anchors of these weights"):
        Anchors.of({"age_anchors": [5, 15]})


@pytest.mark.parametrize(
    ("years", "bins", "message"),
    [
        ((5.0,), ((0.0, 9.0),), "two anchors at least"),
        ((5.0, 5.0), ((0.0, 9.0), (9.0, 12.0)), "must rise"),
        ((5.0, 11.0), ((0.0, 9.0), (10.0, 12.0)), "must touch"),
        ((5.0, 30.0), ((0.0, 9.0), (9.0, 12.0)), "outside its bin"),
    ],
)
def test_faulty_anchors_are_refused(years, bins, message):
    with pytest.raises(ValueError, match=message):
        Anchors(years, bins)
