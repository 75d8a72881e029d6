"""The Inception of 2015 against torch-fidelity's, run once on weights that follow from the keys."""

import zlib

import pytest
import torch
from torchvision.models import inception_v3

from engine.core.errors import WeightsError
from engine.nets.perceptual.inception import Inception, resized

GOLDEN = {
    # Side of the picture: mean and spread over 2048 features, and the first two of them, as
    # FeatureExtractorInceptionV3 of torch-fidelity 0.4.0 tells them.
    64: (1.0416840, 1.4232064, 5.6936865, 0.2290990),
    200: (1.3115566, 1.7939874, 7.1254778, 0.2542470),
    512: (1.5925856, 2.1742322, 8.5806103, 0.3080145),
}


def weights(net):
    """Values of their own for every tensor, from its key alone."""
    state = {}
    for key, value in net.state_dict().items():
        key = key.removeprefix("net.")
        noise = torch.randn(value.shape, generator=torch.Generator().manual_seed(name_number(key)))
        if not value.is_floating_point():
            state[key] = torch.zeros_like(value)
        elif value.dim() > 1:
            state[key] = noise * (2 / value[0].numel()) ** 0.5
        elif key.endswith(("running_var", "bn.weight")):
            state[key] = 1 + 0.1 * noise.abs()
        else:
            state[key] = 0.1 * noise
    return state


def name_number(key):
    return zlib.crc32(key.encode())


def checks(side):
    """A picture (1, 3, side, side) in [-1, 1] that no resizing leaves alone."""
    y, x = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    planes = torch.stack([(x * 3 + y) % 256, (x * y) % 256, (x + 5 * y) % 256])
    return planes[None].float() / 127.5 - 1


@pytest.fixture(scope="module")
def net():
    return Inception.from_state(weights(Inception()))


@pytest.mark.parametrize("side", list(GOLDEN))
def test_features_are_those_of_the_network_that_fid_is_defined_on(net, side):
    with torch.inference_mode():
        features = net(checks(side))
    assert features.shape == (1, 2048)
    found = (features.mean(), features.std(), features[0, 0], features[0, 1])
    assert [float(one) for one in found] == pytest.approx(GOLDEN[side], rel=1e-3)


def test_it_resizes_from_the_corner_without_averaging():
    row = torch.tensor([0.0, 10.0, 20.0, 30.0])
    picture = row.expand(1, 1, 4, 4)
    assert resized(picture, 8)[0, 0, 0].tolist() == [0, 5, 10, 15, 20, 25, 30, 30]
    assert resized(picture, 2)[0, 0, 0].tolist() == [0, 20]


def test_torchvisions_network_of_the_same_name_is_refused():
    other = inception_v3(weights=None, init_weights=False).state_dict()
    with pytest.raises(WeightsError, match="not those of the Inception of 2015"):
        Inception.from_state(other)
