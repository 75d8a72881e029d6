"""A network that grows does at first exactly what it did."""

import pytest
import torch

from engine.core.errors import WeightsError
from engine.landscapes.nets.discriminator import DiscriminatorSpec, LandscapeDiscriminator
from engine.landscapes.nets.encoder import EncoderSpec, LandscapeEncoder
from engine.landscapes.nets.generator import GeneratorSpec, LandscapeGenerator
from engine.landscapes.nets.growth import (
    enlarged,
    grown_discriminator,
    grown_generator,
    load_grown,
    softened,
)


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def grown_painter(small, *, norm=True):
    net = LandscapeGenerator(GeneratorSpec(6, (16, 12, 8), hidden=5, norm=norm, grown=True))
    load_grown(net, grown_generator(small), fresh=("paint.", "stages.1."))
    return net.eval()


def grown_critic(small, *, spectral):
    net = LandscapeDiscriminator(DiscriminatorSpec((4, 6, 8), 1, spectral=spectral, grown=True))
    load_grown(net, grown_discriminator(small), fresh=("entry.", "blocks.0."))
    return net.eval()


def test_a_grown_generator_begins_with_the_old_pictures_enlarged_and_ends_without_them():
    small = LandscapeGenerator(GeneratorSpec(6, (16, 12), hidden=5)).eval()
    net = grown_painter(small.state_dict())
    codes, places = torch.randn(3, 6), torch.rand(3, 2)
    net.fade.reach(0, 10)
    old = enlarged(small(codes, places))
    assert torch.allclose(net(codes, places), old, atol=1e-6)
    net.fade.reach(5, 10)
    assert not torch.allclose(net(codes, places), old, atol=1e-3)
    net.fade.reach(10, 10)
    net(codes, places).sum().backward()
    assert net.before.weight.grad is None
    assert net.paint.weight.grad.abs().sum() > 0


@pytest.mark.parametrize("spectral", [True, False])
def test_a_grown_discriminator_begins_with_the_old_verdict(spectral):
    small = LandscapeDiscriminator(DiscriminatorSpec((6, 8), 1, spectral=spectral)).eval()
    net = grown_critic(small.state_dict(), spectral=spectral)
    picture, places = torch.rand(4, 3, 8, 8) * 2 - 1, torch.rand(4, 2)
    old = small(picture, places)
    net.fade.reach(0, 10)
    for now, then in zip(net(enlarged(picture), places), old, strict=True):
        assert torch.allclose(now, then, atol=1e-6)
    net.fade.reach(10, 10)
    assert not torch.allclose(net(enlarged(picture), places).logits, old.logits, atol=1e-4)


def test_what_has_grown_is_rebuilt_from_its_weights_half_way_in():
    net = grown_painter(LandscapeGenerator(GeneratorSpec(6, (16, 12), hidden=5)).state_dict())
    net.fade.reach(3, 10)
    codes, places = torch.randn(2, 6), torch.rand(2, 2)
    again = LandscapeGenerator.from_state(net.state_dict())
    assert again.fade.share == pytest.approx(0.3)
    assert torch.equal(again(codes, places), net(codes, places))
    discriminator = grown_critic(
        LandscapeDiscriminator(DiscriminatorSpec((6, 8), 1)).state_dict(), spectral=True
    )
    judge = LandscapeDiscriminator.from_state(discriminator.state_dict()).eval()
    picture = torch.rand(4, 3, 16, 16)
    assert torch.equal(judge(picture, places[:1]).logits, discriminator(picture, places[:1]).logits)


def test_what_has_grown_grows_again_but_not_before_it_has_grown_up():
    net = grown_painter(LandscapeGenerator(GeneratorSpec(6, (16, 12), hidden=5)).state_dict())
    net.fade.reach(9, 10)
    with pytest.raises(WeightsError, match="step 9 of 10"):
        grown_generator(net.state_dict())
    net.fade.reach(10, 10)
    larger = LandscapeGenerator(GeneratorSpec(6, (16, 12, 8, 8), hidden=5, grown=True)).eval()
    load_grown(larger, grown_generator(net.state_dict()), fresh=("paint.", "stages.2."))
    larger.fade.reach(0, 10)
    codes, places = torch.randn(2, 6), torch.rand(2, 2)
    assert torch.allclose(larger(codes, places), enlarged(net(codes, places)), atol=1e-6)


def test_weights_that_do_not_fit_are_not_taken_for_fresh_ones():
    small = grown_generator(LandscapeGenerator(GeneratorSpec(6, (16, 12), hidden=5)).state_dict())
    net = LandscapeGenerator(GeneratorSpec(6, (16, 12, 8), hidden=5, grown=True))
    with pytest.raises(RuntimeError, match="start.weight"):
        load_grown(net, {k: v for k, v in small.items() if k != "start.weight"}, fresh=("paint.",))
    with pytest.raises(RuntimeError, match="stranger"):
        load_grown(net, {**small, "stranger": torch.ones(1)}, fresh=("paint.", "stages.1."))


def test_real_pictures_lose_the_detail_that_is_not_in_yet():
    picture = torch.rand(2, 3, 8, 8)
    flat = enlarged(torch.nn.functional.avg_pool2d(picture, 2))
    assert torch.equal(softened(picture, 0.0), flat)
    assert torch.equal(softened(picture, 1.0), picture)
    assert torch.allclose(softened(picture, 0.25), 0.75 * flat + 0.25 * picture)


def test_an_encoder_averages_larger_pictures_down():
    net = LandscapeEncoder(EncoderSpec(6, (4, 8)))
    picture = torch.rand(2, 3, 16, 16)
    for large, own in zip(net(enlarged(picture)), net(picture), strict=True):
        assert torch.allclose(large, own, atol=1e-6)
