"""DEX reads an age as an expectation over classes."""

import pytest
import torch

from engine.core.errors import WeightsError
from engine.nets.age.dex_vgg import Dex, DexSpec, expected_age, expected_age_reference

SMALL = DexSpec(size=64, widths=(4, 6, 8, 10, 12), hidden=16, bins=101)


@pytest.fixture
def net(fill):
    with torch.no_grad():
        return fill(Dex(SMALL), spread=0.1).eval()


def test_the_expectation_equals_the_sum_term_by_term():
    logits = torch.randn(5, 101) * 3
    torch.testing.assert_close(expected_age(logits), expected_age_reference(logits))


def test_a_certain_answer_is_that_year():
    logits = torch.full((3, 101), -100.0)
    logits[torch.arange(3), torch.tensor([0, 37, 100])] = 100
    torch.testing.assert_close(expected_age(logits), torch.tensor([0.0, 37.0, 100.0]))


def test_portraits_of_any_size_are_brought_to_the_networks(net):
    portrait = torch.randn(2, 3, 96, 96)
    brought = torch.nn.functional.interpolate(portrait, size=(64, 64), mode="bilinear")
    assert net(portrait).shape == (2, 101)
    torch.testing.assert_close(net.age(portrait), net.age(brought))


def test_ages_pass_gradients_to_the_picture(net):
    portrait = torch.randn(1, 3, 64, 64, requires_grad=True)
    net.requires_grad_(False).age(portrait).sum().backward()
    assert portrait.grad.abs().sum() > 0


def test_the_shape_read_off_a_state_dict_is_the_one_built(net):
    assert DexSpec.of(net.state_dict()) == SMALL
    with torch.device("meta"):
        assert DexSpec.of(Dex().state_dict()) == DexSpec()


def test_a_state_dict_comes_back_as_the_same_network(net):
    x = torch.randn(1, 3, 64, 64)
    assert torch.equal(Dex.from_state(net.state_dict())(x), net(x))


def test_a_state_dict_of_something_else_is_refused():
    with pytest.raises(WeightsError, match="no DEX weights"):
        DexSpec.of({"conv1_1.weight": torch.zeros(4, 3, 3, 3)})
