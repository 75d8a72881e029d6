"""A grown network starts with the output of the smaller one."""

import pytest
import torch

from engine.core.errors import WeightsError
from engine.landscapes.nets.discriminator import DiscriminatorSpec, LandscapeDiscriminator
from engine.landscapes.nets.encoder import EncoderSpec, LandscapeEncoder
from engine.landscapes.nets.generator import GeneratorSpec, LandscapeGenerator
from engine.landscapes.nets.growth import (
    grown_discriminator,
    grown_generator,
    load_grown,
    upsampled,
    with_detail,
)


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def grown_net(small, *, norm=True):
    net = LandscapeGenerator(GeneratorSpec(6, (16, 12, 8), hidden=5, norm=norm, grown=True))
    load_grown(net, grown_generator(small), fresh=("paint.", "stages.1."))
    return net.eval()


def grown_discriminator_net(small, *, spectral, units=False):
    net = LandscapeDiscriminator(
        DiscriminatorSpec((4, 6, 8), 1, spectral_norm=spectral, units=units, grown=True)
    )
    fresh = ("entry.", "blocks.0.", "units.0.", "attended.0.")
    load_grown(net, grown_discriminator(small), fresh=fresh)
    return net.eval()


def test_a_grown_generator_starts_with_the_old_images_and_ends_without_them():
    small = LandscapeGenerator(GeneratorSpec(6, (16, 12), hidden=5)).eval()
    net = grown_net(small.state_dict())
    latents, va = torch.randn(3, 6), torch.rand(3, 2)
    net.fade.set_step(0, 10)
    old = upsampled(small(latents, va))
    assert torch.allclose(net(latents, va), old, atol=1e-6)
    net.fade.set_step(5, 10)
    assert not torch.allclose(net(latents, va), old, atol=1e-3)
    net.fade.set_step(10, 10)
    net(latents, va).sum().backward()
    assert net.before.weight.grad is None
    assert net.paint.weight.grad.abs().sum() > 0


@pytest.mark.parametrize(("spectral", "units"), [(True, False), (False, False), (True, True)])
def test_a_grown_discriminator_starts_with_the_old_output(spectral, units):
    shape = DiscriminatorSpec((6, 8), 1, spectral_norm=spectral, units=units)
    small = LandscapeDiscriminator(shape).eval()
    net = grown_discriminator_net(small.state_dict(), spectral=spectral, units=units)
    picture, va = torch.rand(4, 3, 8, 8) * 2 - 1, torch.rand(4, 2)
    old = small(picture, va)
    net.fade.set_step(0, 10)
    now = net(upsampled(picture), va)
    assert torch.allclose(now.logits, old.logits, atol=1e-6)
    assert torch.allclose(now.va, old.va, atol=1e-6)
    assert len(now.attention) == 3 * units
    for ours, theirs in zip(now.attention[1:], old.attention, strict=True):
        assert torch.allclose(ours.valence, theirs.valence, atol=1e-6)
    net.fade.set_step(10, 10)
    assert not torch.allclose(net(upsampled(picture), va).logits, old.logits, atol=1e-4)


def test_a_grown_network_is_rebuilt_from_its_weights_during_the_fade():
    net = grown_net(LandscapeGenerator(GeneratorSpec(6, (16, 12), hidden=5)).state_dict())
    net.fade.set_step(3, 10)
    latents, va = torch.randn(2, 6), torch.rand(2, 2)
    again = LandscapeGenerator.from_state(net.state_dict())
    assert again.fade.share == pytest.approx(0.3)
    assert torch.equal(again(latents, va), net(latents, va))
    discriminator = grown_discriminator_net(
        LandscapeDiscriminator(DiscriminatorSpec((6, 8), 1)).state_dict(), spectral=True
    )
    again = LandscapeDiscriminator.from_state(discriminator.state_dict()).eval()
    picture = torch.rand(4, 3, 16, 16)
    assert torch.equal(again(picture, va[:1]).logits, discriminator(picture, va[:1]).logits)


def test_a_network_may_grow_again_only_after_its_fade():
    net = grown_net(LandscapeGenerator(GeneratorSpec(6, (16, 12), hidden=5)).state_dict())
    net.fade.set_step(9, 10)
    with pytest.raises(WeightsError, match="step 9 of 10"):
        grown_generator(net.state_dict())
    net.fade.set_step(10, 10)
    larger = LandscapeGenerator(GeneratorSpec(6, (16, 12, 8, 8), hidden=5, grown=True)).eval()
    load_grown(larger, grown_generator(net.state_dict()), fresh=("paint.", "stages.2."))
    larger.fade.set_step(0, 10)
    latents, va = torch.randn(2, 6), torch.rand(2, 2)
    assert torch.allclose(larger(latents, va), upsampled(net(latents, va)), atol=1e-6)


def test_missing_and_unknown_weights_are_refused():
    small = grown_generator(LandscapeGenerator(GeneratorSpec(6, (16, 12), hidden=5)).state_dict())
    net = LandscapeGenerator(GeneratorSpec(6, (16, 12, 8), hidden=5, grown=True))
    with pytest.raises(RuntimeError, match="start.weight"):
        load_grown(net, {k: v for k, v in small.items() if k != "start.weight"}, fresh=("paint.",))
    with pytest.raises(RuntimeError, match="unknown"):
        load_grown(net, {**small, "unknown": torch.ones(1)}, fresh=("paint.", "stages.1."))


def test_real_images_lose_the_detail_that_has_not_faded_in():
    picture = torch.rand(2, 3, 8, 8)
    flat = upsampled(torch.nn.functional.avg_pool2d(picture, 2))
    assert torch.equal(with_detail(picture, 0.0), flat)
    assert torch.equal(with_detail(picture, 1.0), picture)
    assert torch.allclose(with_detail(picture, 0.25), 0.75 * flat + 0.25 * picture)


def test_an_encoder_averages_larger_pictures_down():
    net = LandscapeEncoder(EncoderSpec(6, (4, 8)))
    picture = torch.rand(2, 3, 16, 16)
    for large, own in zip(net(upsampled(picture)), net(picture), strict=True):
        assert torch.allclose(large, own, atol=1e-6)
