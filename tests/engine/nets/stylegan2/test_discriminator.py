"""The discriminator is the plain one, takes any batch, and reads its shape off a state dict."""

import pytest
import torch

from engine.nets.stylegan2.discriminator import Discriminator, minibatch_deviation
from engine.nets.stylegan2.plain import discriminate
from engine.nets.stylegan2.spec import DiscriminatorSpec, widths

SPEC = DiscriminatorSpec(32, channels=(12, 10, 8, 6))


@pytest.fixture
def net(fill):
    with torch.no_grad():
        return fill(Discriminator(SPEC)).double()


def pictures(batch):
    return torch.randn(batch, 3, 32, 32, dtype=torch.float64)


@pytest.mark.parametrize("batch", [1, 2, 3, 4])
def test_logits_and_gradients_equal_those_of_the_plain_form(net, batch):
    x = pictures(batch).requires_grad_()
    fast, slow = net(x), discriminate(net, x)
    assert fast.shape == (batch, 1)
    torch.testing.assert_close(fast, slow)
    wanted = [x, *net.parameters()]
    torch.testing.assert_close(
        torch.autograd.grad(fast.square().sum(), wanted),
        torch.autograd.grad(slow.square().sum(), wanted),
    )


def test_the_r1_penalty_equals_that_of_the_plain_form(net):
    x = pictures(2).requires_grad_()

    def penalty(logit):
        slope = torch.autograd.grad(logit.sum(), x, create_graph=True)[0]
        return torch.autograd.grad(slope.square().sum(), net.convs[1].conv1[0].weight)[0]

    torch.testing.assert_close(penalty(net(x)), penalty(discriminate(net, x)))


@pytest.mark.parametrize(("batch", "group"), [(1, 1), (2, 2), (4, 4), (5, 1), (6, 3), (8, 4)])
def test_statistics_are_taken_over_the_largest_group_that_divides_the_batch(batch, group):
    x = torch.randn(batch, 6, 4, 4)
    planes = minibatch_deviation(x, group=4, features=1)[:, 6:]
    assert planes.shape == (batch, 1, 4, 4)
    for sample in range(batch):
        # Groups are strided, as published: sample, sample + batch/group, ...
        members = x[sample % (batch // group) :: batch // group]
        spread = (members.var(dim=0, correction=0) + 1e-8).sqrt().mean()
        torch.testing.assert_close(planes[sample], spread.expand(1, 4, 4))


@pytest.mark.parametrize("size", [32, 128, 1024])
def test_the_shape_read_off_a_state_dict_is_the_one_built(size):
    spec = DiscriminatorSpec(size, widths(size, base=2048, cap=96), std_features=2)
    with torch.device("meta"):
        net = Discriminator(spec)
    assert DiscriminatorSpec.of(net.state_dict()) == spec


def test_a_state_dict_comes_back_as_the_same_network(net):
    x = pictures(2)
    assert torch.equal(Discriminator.from_state(net.state_dict())(x), net(x))


def test_the_keys_are_rosinalitys(net):
    keys = set(net.state_dict())
    assert {"convs.0.0.weight", "convs.0.1.bias", "convs.3.conv2.0.kernel"} <= keys
    assert {"convs.1.conv1.0.weight", "convs.1.conv2.2.bias", "convs.2.skip.1.weight"} <= keys
    assert {"final_conv.0.weight", "final_conv.1.bias", "final_linear.1.bias"} <= keys
