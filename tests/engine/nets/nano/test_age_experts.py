"""The nano networks that vote in `tm relabel`: what each head promises."""

import pytest
import torch
from rounding import assert_equal_but_for_rounding

from engine.core.errors import WeightsError
from engine.losses.age_spread import normal_likelihood, ordinal_bce
from engine.nets.nano.age_ordinal import (
    AgeOrdinalSpec,
    NanoAgeOrdinal,
    ordinal_age,
    ordinal_distribution,
    texture,
)
from engine.nets.nano.age_tokens import AgeTokensSpec, NanoAgeTokens, normal_age

MAKERS = {
    NanoAgeOrdinal: lambda: NanoAgeOrdinal(AgeOrdinalSpec(32, 100, (4, 6, 8), 5)),
    NanoAgeTokens: lambda: NanoAgeTokens(AgeTokensSpec(size=32, width=12, depth=2)),
}


@pytest.fixture(params=list(MAKERS), ids=lambda family: family.__name__)
def net(request):
    torch.manual_seed(0)
    made = MAKERS[request.param]().train()
    with torch.no_grad():
        for _ in range(3):
            made(torch.rand(8, 3, 32, 32) * 2 - 1)
    return made.eval().requires_grad_(False)


def test_a_state_dict_comes_back_as_the_same_network(net):
    again, x = type(net).from_state(net.state_dict()), torch.rand(2, 3, 40, 40) * 2 - 1
    assert again.spec == net.spec
    torch.testing.assert_close(again(x), net(x), rtol=0, atol=0)


def test_a_state_dict_of_something_else_is_refused(net):
    with pytest.raises(WeightsError, match="nano age"):
        type(net).from_state({"weight": torch.zeros(1)})


def test_the_output_does_not_depend_on_the_batch(net):
    faces = torch.rand(3, 3, 32, 32) * 2 - 1
    # Two attention blocks of six products each, or five convolutions; a spread of 25 years a unit.
    assert_equal_but_for_rounding(
        net.age(faces)[1:2], net.age(faces[1:2]), layers=15, fan_in=144, gain=4
    )


def test_ages_are_years_of_a_life(net):
    ages = net.age(torch.rand(4, 3, 32, 32) * 2 - 1)
    assert ages.shape == (4,)
    assert ((ages > -60) & (ages < 160)).all()


def test_nobody_passes_a_birthday_without_those_before_it():
    torch.manual_seed(0)
    logits = MAKERS[NanoAgeOrdinal]().eval()(torch.rand(5, 3, 32, 32) * 2 - 1)
    assert (logits.diff(dim=1) < 0).all()
    shares = ordinal_distribution(logits)
    assert shares.shape == (5, 101)
    assert (shares >= 0).all()
    torch.testing.assert_close(shares.sum(dim=1), torch.ones(5))
    torch.testing.assert_close(
        shares @ torch.arange(101.0), ordinal_age(logits), rtol=1e-4, atol=1e-3
    )


def test_the_ordinal_network_sees_no_colour():
    torch.manual_seed(0)
    face = torch.rand(1, 3, 16, 16) * 2 - 1
    luma = (face * torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)).sum(1, keepdim=True)
    torch.testing.assert_close(texture(face), texture(luma.expand(-1, 3, -1, -1)))


def test_a_flat_picture_has_no_texture():
    assert texture(torch.full((1, 3, 16, 16), 0.3))[:, 1].abs().max() < 1e-5


def test_birthdays_cost_least_at_the_true_age():
    birthdays = torch.arange(100) + 0.5
    costs = [ordinal_bce((age - birthdays)[None], torch.tensor([30.0])) for age in (20, 30, 45)]
    assert costs[1] < costs[0]
    assert costs[1] < costs[2]


def test_a_spread_costs_least_where_it_is_the_error():
    spreads = torch.tensor([0.5, 2.0, 8.0])
    costs = [
        normal_likelihood(torch.zeros(1), 2 * spread.log()[None], torch.tensor([2.0]), heed=0.0)
        for spread in spreads
    ]
    assert costs[1] == min(costs)


def test_beta_weighs_uncertain_cases_more_than_the_likelihood_does():
    def slope(heed):
        mean = torch.zeros(1, requires_grad=True)
        normal_likelihood(mean, torch.tensor([4.0]), torch.tensor([1.0]), heed=heed).backward()
        return mean.grad.abs().item()

    assert slope(0.5) > slope(0.0)
    assert slope(1.0) == pytest.approx(1.0)


def test_a_normal_age_is_in_years():
    years, spread = normal_age(torch.tensor([[0.0, 0.0], [1.0, -2.0]]))
    torch.testing.assert_close(years, torch.tensor([50.0, 75.0]))
    torch.testing.assert_close(spread, torch.tensor([25.0, 25.0 / torch.e]))
