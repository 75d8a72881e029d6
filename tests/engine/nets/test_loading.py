"""State dicts load exactly or not at all, and frozen networks stay as they are."""

import pytest
import torch
from torch import nn

from engine.core.errors import WeightsError
from engine.nets.loading import built, faults, frozen


def small():
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))


def test_a_complete_state_dict_has_no_faults():
    assert faults(small(), small().state_dict()) == []


def test_every_fault_is_named_at_once():
    state = dict(small().state_dict())
    del state["0.bias"]
    state["extra"] = torch.zeros(1)
    state["1.weight"] = torch.zeros(5)
    assert faults(small(), state) == [
        "`0.bias` is missing",
        "`extra` is unexpected",
        "`1.weight` is (5,), not (4,)",
    ]


def test_many_faults_are_counted_after_the_first_few():
    state = {f"extra.{i}": torch.zeros(1) for i in range(20)}
    with pytest.raises(WeightsError, match="and 19 more"):
        built(small, state, name="a small net")


def test_a_built_network_holds_the_tensors_themselves():
    state = small().state_dict()
    net = built(small, state, name="a small net")
    assert net[0].weight.data_ptr() == state["0.weight"].data_ptr()
    assert net[0].weight.requires_grad
    assert not net.training


def test_a_frozen_network_neither_learns_nor_drifts():
    net = frozen(small())
    before = {key: value.clone() for key, value in net.state_dict().items()}
    x = torch.randn(5, 3, requires_grad=True)
    net(x).sum().backward()
    assert x.grad is not None
    assert all(parameter.grad is None for parameter in net.parameters())
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())
