"""The image tower of a tiny random Janus-Pro: the same features, with gradients."""

import numpy as np
import pytest
import torch

from engine.core.errors import MissingWeightsError
from engine.experts.janus_tower import load_tower
from engine.experts.kinds.janus import JanusTable
from engine.images.ranges import to_tensors


@pytest.fixture(scope="module")
def tower(tiny_janus):
    return load_tower(str(tiny_janus), torch.device("cpu"))


def test_the_features_are_those_behind_the_models_own_processor(tower, tiny_janus):
    faces = np.random.default_rng(0).integers(0, 256, (2, 28, 28, 3), np.uint8)
    expert = JanusTable(weights=str(tiny_janus)).load(torch.device("cpu"))
    pixels = expert.prompt(list(faces), "how old")["pixel_values"]
    with torch.no_grad():
        wanted = expert.net.model.vision_model(pixels).last_hidden_state.mean(dim=1)
        features = tower.features(to_tensors(faces))
    torch.testing.assert_close(features, wanted, rtol=1e-4, atol=1e-5)


def test_a_gradient_reaches_the_picture_and_not_the_tower(tower):
    picture = torch.rand(1, 3, 40, 40, requires_grad=True)
    tower.features(picture * 2 - 1).square().sum().backward()
    assert picture.grad.abs().sum() > 0
    assert all(not p.requires_grad and p.grad is None for p in tower.net.parameters())


def test_missing_weights_are_named_with_a_hint():
    with pytest.raises(MissingWeightsError, match="janus-pro-1b") as error:
        load_tower("janus-pro-1b", torch.device("cpu"))
    assert "Janus-Pro-1B" in error.value.hint
