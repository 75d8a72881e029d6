"""LPIPS is the package's, with a backbone that came from a file and nothing from the network."""

import pytest
import torch
import torchvision

from engine.core.errors import WeightsError
from engine.nets.perceptual.lpips import Perceptual


@pytest.fixture(scope="module")
def backbone():
    torch.manual_seed(0)
    return torchvision.models.squeezenet1_1(weights=None).state_dict()


@pytest.fixture(scope="module")
def net(backbone):
    return Perceptual.from_state(backbone, backbone="squeeze")


@pytest.fixture
def pictures():
    return torch.rand(2, 2, 3, 64, 64) * 2 - 1


def test_distances_equal_those_of_the_package(net, pictures):
    x, y = pictures
    torch.testing.assert_close(net(x, y), net.net(x, y).flatten())


def test_a_picture_is_no_distance_from_itself(net, pictures):
    x, y = pictures
    assert torch.equal(net(x, x), torch.zeros(2))
    assert (net(x, y) > 0).all()
    torch.testing.assert_close(net(x, y), net(y, x))


def test_kept_features_give_the_same_distance(net, pictures):
    x, y = pictures
    kept = net.features(y)
    assert torch.equal(net.between(net.features(x), kept), net(x, y))


def test_the_backbone_is_the_one_given(net, backbone):
    weight = backbone["features.0.weight"]
    inner = net.net.net.state_dict()
    assert any(torch.equal(v, weight) for v in inner.values() if v.shape == weight.shape)


def test_the_linear_layers_are_the_packages_own(net):
    assert all((head.model[-1].weight >= 0).all() for head in net.net.lins)


def test_gradients_reach_the_picture_and_no_weight(net, pictures):
    x, y = pictures[0].requires_grad_(), pictures[1]
    net(x, y).sum().backward()
    assert x.grad.abs().sum() > 0
    assert all(parameter.grad is None for parameter in net.parameters())


@pytest.mark.parametrize("name", ["alex", "vgg"])
def test_each_backbone_takes_torchvisions_keys(name):
    with torch.device("meta"):
        model = torchvision.models.get_model({"alex": "alexnet", "vgg": "vgg16"}[name])
    state = {
        key: torch.randn(value.shape) * 0.05
        for key, value in model.state_dict().items()
        if key.startswith("features.")
    }
    net = Perceptual.from_state(state, backbone=name)
    x, y = torch.rand(2, 1, 3, 64, 64) * 2 - 1
    assert net(x, y) > 0


def test_no_weights_are_no_reason_to_download(monkeypatch):
    def refuse(*_args, **_kwargs):
        raise AssertionError("something was downloaded")

    monkeypatch.setattr("torch.hub.load_state_dict_from_url", refuse)
    with pytest.raises(WeightsError, match="`squeeze` backbone"):
        Perceptual.from_state({}, backbone="squeeze")
