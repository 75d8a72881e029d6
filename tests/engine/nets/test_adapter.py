"""The personal adapter: all styles at once, identity at first, loadable from per-style keys."""

import pytest
import torch

from engine.core.errors import WeightsError
from engine.nets.adapter import Adapter, AdapterSpec, adapted_reference

SPEC = AdapterSpec(n_styles=5, style_width=12, bottleneck=4, summary=6, age_width=3)


@pytest.fixture
def net(fill):
    with torch.no_grad():
        return fill(Adapter(SPEC)).double()


def inputs(batch=3):
    return torch.randn(batch, 5, 12, dtype=torch.float64), torch.tensor([5.0, 40.5, 90.0])[:batch]


def test_all_styles_at_once_equal_style_after_style(net):
    w_plus, ages = inputs()
    w_plus.requires_grad_()
    fast, slow = net(w_plus, ages), adapted_reference(net, w_plus, ages.double())
    torch.testing.assert_close(fast, slow)
    wanted = [w_plus, *net.parameters()]
    torch.testing.assert_close(
        torch.autograd.grad(fast.square().sum(), wanted),
        torch.autograd.grad(slow.square().sum(), wanted),
    )


def test_a_new_adapter_changes_nothing():
    w_plus, ages = inputs()
    assert torch.equal(Adapter(SPEC).double()(w_plus, ages), w_plus)


def test_a_new_adapter_learns_from_its_first_step():
    net = Adapter(SPEC).double()
    w_plus, ages = inputs()
    net(w_plus, ages).square().sum().backward()
    assert net.get_submodule("fc_0")[2].weight.grad.abs().sum() > 0


def test_the_age_counts(net):
    w_plus, _ = inputs(1)
    assert not torch.allclose(net(w_plus, torch.tensor([20.0])), net(w_plus, torch.tensor([70.0])))


def test_every_style_sees_every_other(net):
    w_plus, ages = inputs(1)
    other = w_plus.clone()
    other[:, 4] += 1
    assert not torch.allclose(net(w_plus, ages)[:, 0], net(other, ages)[:, 0])


def test_keys_and_size_are_the_published(net):
    with torch.device("meta"):
        published = Adapter()
    assert sum(p.numel() for p in published.parameters()) == 11_187_888
    assert AdapterSpec.of(published.state_dict()) == AdapterSpec()
    assert AdapterSpec.of(net.state_dict()) == SPEC
    assert {"bottleneck_17.2.bias", "global_mlp.0.weight", "age_mlp.2.bias", "fc_0.0.weight"} <= (
        set(published.state_dict())
    )


def test_a_state_dict_comes_back_as_the_same_network(net):
    w_plus, ages = inputs()
    assert torch.equal(Adapter.from_state(net.state_dict())(w_plus, ages), net(w_plus, ages))


def test_a_state_dict_of_something_else_is_refused():
    with pytest.raises(WeightsError, match="no weights of a blender"):
        AdapterSpec.of({"weight": torch.zeros(1)})
