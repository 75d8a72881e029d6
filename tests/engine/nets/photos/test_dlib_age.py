"""The age line on dlib's descriptor network: what it reads, and what it refuses."""

import pytest
import torch
from torch.nn.functional import adaptive_avg_pool2d

from engine.core.errors import WeightsError
from engine.nets.loading import frozen
from engine.nets.photos.dlib_age import FEATURES, MAP_LAYER, MAP_WIDTH, WEIGHTS, DlibAge
from engine.nets.photos.dlib_resnet import DlibResNet
from engine.nets.photos.layers import centred_levels
from engine.weights.find import find_weights
from engine.weights.load import read_checkpoint


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(0)
    head = {"weight": torch.randn(1, FEATURES), "bias": torch.tensor([50.0])}
    return frozen(DlibAge.from_head(head, frozen(DlibResNet())))


@pytest.fixture(scope="module")
def chips():
    return torch.rand(2, 3, 150, 150, generator=torch.Generator().manual_seed(1)) * 2 - 1


def test_years_are_the_line_on_the_features(net, chips):
    features = net.features(chips)
    assert features.shape == (2, FEATURES)
    expected = features @ net.head.weight[0] + 50
    torch.testing.assert_close(net(chips), expected)


def test_the_first_features_are_those_the_descriptor_is_made_of(net, chips):
    last = net.features(chips)[:, :256]
    torch.testing.assert_close(last, net.descriptor.trunk(centred_levels(chips, 256)))
    torch.testing.assert_close(net.descriptor.dense(last), net.descriptor(chips))


def test_of_the_earlier_map_the_middle_column_and_the_sides_are_read(net, chips):
    seen = {}
    layer = net.descriptor.trunk[MAP_LAYER]
    handle = layer.register_forward_hook(lambda _module, _given, made: seen.update(map=made))
    middle, sides = net.features(chips)[:, 256:].split((3 * MAP_WIDTH, MAP_WIDTH), dim=1)
    handle.remove()
    cells = adaptive_avg_pool2d(seen["map"], 3)
    assert cells.shape[1] == MAP_WIDTH
    torch.testing.assert_close(middle.view(2, MAP_WIDTH, 3), cells[..., 1])
    torch.testing.assert_close(sides, cells[:, :, 1, ::2].mean(dim=2))


def test_what_ships_has_the_shape_of_the_line():
    state = read_checkpoint(find_weights(WEIGHTS)).part("age")
    assert {key: tuple(value.shape) for key, value in state.items()} == {
        "weight": (1, FEATURES),
        "bias": (1,),
    }
    assert all(bool(value.isfinite().all()) for value in state.values())


def test_a_head_of_another_shape_is_refused():
    with pytest.raises(WeightsError, match="age line on dlib"):
        DlibAge.from_head({"weight": torch.zeros(1, 3), "bias": torch.zeros(1)}, DlibResNet())
