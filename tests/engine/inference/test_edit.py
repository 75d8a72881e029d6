import pytest
import torch

from engine.inference.edit import Edit, Mixing, layer_strengths, mixed, moved


def codes():
    draw = torch.Generator().manual_seed(0)
    return torch.randn(1, 18, 8, generator=draw), torch.randn(3, 18, 8, generator=draw)


def test_full_strength_is_the_target_to_the_last_bit():
    inverted, target = codes()
    assert torch.equal(moved(inverted, target, layer_strengths(18, 1.0, Edit())), target)


def test_no_strength_is_the_inversion():
    inverted, target = codes()
    stayed = moved(inverted, target, layer_strengths(18, 0.0, Edit()))
    assert torch.equal(stayed, inverted.expand(3, -1, -1))


def test_strength_is_linear_in_the_codes():
    inverted, target = codes()
    half = moved(inverted, target, layer_strengths(18, 0.5, Edit()))
    assert torch.allclose(half, inverted + 0.5 * (target - inverted))


def test_strict_pose_keeps_the_coarse_layers():
    shares = layer_strengths(18, 0.8, Edit(pose="strict"))
    expected = [0.0] * 8 + [0.24] * 2 + [0.8] * 3 + [0.4] * 5
    assert shares.tolist() == pytest.approx(expected)


def test_only_the_chosen_layers_age_and_none_is_not_all():
    assert layer_strengths(6, 1.0, Edit(layers=(1, 4))).tolist() == [0, 1, 0, 0, 1, 0]
    assert layer_strengths(6, 1.0, Edit(layers=())).tolist() == [0] * 6


def test_mixing_touches_its_layers_alone():
    own, other = codes()[1], codes()[0]
    result = mixed(own, other, Mixing(layers=(2, 17, 99), alpha=0.25))
    assert torch.allclose(result[:, 2], torch.lerp(own[:, 2], other[:, 2].expand(3, -1), 0.25))
    untouched = [layer for layer in range(18) if layer not in (2, 17)]
    assert torch.equal(result[:, untouched], own[:, untouched])
