import pytest
import torch

from engine.nets.nano.age_evaluator import AgeEvaluatorSpec, NanoAgeEvaluator
from engine.nets.perceptual.features import FeatureDistance, feature_distance


def test_directions_across_channels_are_compared():
    one = torch.tensor([1.0, 0.0]).view(1, 2, 1, 1)
    other = torch.tensor([0.0, 5.0]).view(1, 2, 1, 1)
    assert feature_distance([one], [other]).item() == pytest.approx(2)
    assert feature_distance([one], [one * 7]).item() == pytest.approx(0, abs=1e-6)
    assert feature_distance([one], [-one]).item() == pytest.approx(4)


def test_depths_count_alike_whatever_their_size(noise):
    small, large = noise(2, 3, 2, 2), noise(2, 5, 16, 16)
    apart = feature_distance([small, large], [small, -large])
    assert apart.tolist() == pytest.approx([2, 2], abs=1e-5)


def test_a_network_gives_its_features(faces):
    torch.manual_seed(0)
    net = NanoAgeEvaluator(AgeEvaluatorSpec(size=32, widths=(4, 8), hidden=8)).eval()
    distance = FeatureDistance("an untrained age network", net.features)
    assert distance(faces, faces).abs().max() < 1e-9
    torch.testing.assert_close(distance(faces, faces.flip(0)), distance(faces.flip(0), faces))
    assert (distance(faces, faces.roll(1, 0)) > 0).all()


def test_no_features_are_refused():
    with pytest.raises(ValueError, match="no features"):
        feature_distance([], [])
