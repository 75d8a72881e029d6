import pytest
import torch
from torch import nn

from engine.training.averaging import WeightAverage


def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))


def test_constant_weights_are_their_own_average():
    module = net()
    average = WeightAverage(module, 0.9)
    for _ in range(5):
        average.update(module)
    state = module.state_dict()
    assert all(torch.allclose(average.shadow[key].float(), state[key].float()) for key in state)


def test_the_average_follows_the_formula_without_warm_up():
    module = net()
    average, expected = WeightAverage(module, 0.9, warm_up=False), module[0].weight.detach().clone()
    for step in range(4):
        with torch.no_grad():
            module[0].weight.add_(step + 1.0)
        average.update(module)
        expected = 0.9 * expected + 0.1 * module[0].weight.detach()
    assert torch.allclose(average.shadow["0.weight"], expected)


def test_warm_up_forgets_the_random_start():
    module = net()
    slow, quick = WeightAverage(module, 0.999, warm_up=False), WeightAverage(module, 0.999)
    with torch.no_grad():
        module[0].weight.fill_(7.0)
    for _ in range(30):
        slow.update(module)
        quick.update(module)
    gap = [(average.shadow["0.weight"] - 7).abs().max() for average in (slow, quick)]
    assert gap[1] < 0.05 * gap[0]


def test_batch_counters_are_copied_not_averaged():
    module = net()
    average = WeightAverage(module, 0.999)
    for _ in range(3):
        module(torch.randn(4, 2))
        average.update(module)
    assert average.shadow["1.num_batches_tracked"].item() == 3
    assert average.shadow["1.running_mean"].abs().sum() > 0


def test_what_is_given_to_a_network_is_the_average():
    module, other = net(), net()
    average = WeightAverage(module, 0.5)
    with torch.no_grad():
        module[0].weight.fill_(3.0)
    average.update(module)
    average.copy_to(other)
    assert torch.equal(other[0].weight, average.shadow["0.weight"])


def test_a_saved_average_goes_on_where_it_was():
    module = net()
    whole, first = WeightAverage(module, 0.99), WeightAverage(module, 0.99)
    for step in range(6):
        with torch.no_grad():
            module[0].weight.add_(1.0)
        whole.update(module)
        if step == 2:
            saved = {key: value.clone() for key, value in first.state_dict().items()}
            first = WeightAverage(net(), 0.99)
            first.load_state_dict(saved)
        first.update(module)
    assert torch.equal(whole.shadow["0.weight"], first.shadow["0.weight"])


def test_an_average_of_another_network_is_refused():
    with pytest.raises(KeyError, match="keys differ"):
        WeightAverage(net(), 0.9).load_state_dict({"x": torch.ones(1), "updates": torch.tensor(1)})
    with pytest.raises(ValueError, match=r"outside 0\.\.1"):
        WeightAverage(net(), 1.0)
