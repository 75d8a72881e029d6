"""The mean-variance loss of Pan et al. 2018."""

from math import log

import pytest
import torch

from engine.losses.mean_variance import mean_variance

AGES = torch.tensor([30.0])


def certain(*years):
    """Logits of a distribution that lies evenly on `years`."""
    logits = torch.full((1, 101), -200.0)
    logits[0, list(years)] = 0.0
    return logits


def test_certainty_about_the_right_year_costs_nothing():
    terms = mean_variance(certain(30), AGES)
    assert [round(float(term), 5) for term in terms] == [0, 0, 0]


def test_the_mean_costs_half_the_square_of_the_error():
    assert float(mean_variance(certain(36), AGES).mean) == pytest.approx(18)


def test_a_doubt_between_two_years_costs_variance_and_no_mean():
    terms = mean_variance(certain(20, 40), AGES)
    assert float(terms.mean) == pytest.approx(0, abs=1e-4)
    assert float(terms.variance) == pytest.approx(100)


def test_an_age_between_two_years_stands_on_both():
    terms = mean_variance(certain(30, 31), torch.tensor([30.5]))
    assert float(terms.softmax) == pytest.approx(log(2))


def test_a_spread_target_is_met_by_its_own_distribution():
    years = torch.arange(101.0)
    bell = (-0.5 * ((years - 30) / 3) ** 2)[None]
    best = mean_variance(bell, AGES, spread=3.0).softmax
    torch.manual_seed(0)
    assert all(
        mean_variance(bell + 0.3 * torch.randn(1, 101), AGES, spread=3.0).softmax > best
        for _ in range(5)
    )


def test_the_slope_leads_to_the_age():
    logits = torch.zeros(1, 101, requires_grad=True)
    rate = torch.optim.Adam([logits], lr=0.1)
    for _ in range(200):
        terms = mean_variance(logits, AGES)
        rate.zero_grad()
        (terms.softmax + 0.2 * terms.mean + 0.05 * terms.variance).backward()
        rate.step()
    mean = logits.detach().softmax(dim=1) @ torch.arange(101.0)
    assert float(mean) == pytest.approx(30, abs=0.2)
