"""The nano generator, its encoder, its discriminator and the ageing prior, tiny."""

import pytest
import torch

from engine.core.errors import WeightsError
from engine.nets.encoders.gradual import with_age_plane
from engine.nets.nano.ageing import NanoAgeing, NanoAgeingSpec
from engine.nets.nano.base import BaseSpec, PortraitBase
from engine.nets.nano.discriminator import NanoDiscriminator
from engine.nets.nano.encoder import NanoEncoder, NanoEncoderSpec
from engine.nets.nano.generator import NanoGenerator, NanoGeneratorSpec, StyledConv
from engine.nets.timemachine import TimeMachine

BASE = BaseSpec(size=32, luma=8, colour=8, detail=16, window=(12, 10))
SMALL = {
    NanoGenerator: NanoGeneratorSpec(BASE, style_width=8, coarse=6, fine=4),
    NanoEncoder: NanoEncoderSpec(BASE, style_width=8, widths=(4, 6, 8), summary=6),
    NanoAgeing: NanoAgeingSpec(BASE, style_width=8, widths=(4, 6, 8), summary=6),
}
NETS = list(SMALL)
PLANES = {NanoEncoder: 3, NanoAgeing: 4}


def portraits(count):
    """Pictures of a low-dimensional world: random mixtures of eight smooth patterns, and noise."""
    draw = torch.Generator().manual_seed(5)
    patterns = torch.randn(8, 3, 8, 8, generator=draw)
    smooth = torch.nn.functional.interpolate(patterns, size=32, mode="bicubic")
    weights = torch.randn(count, 8, generator=draw)
    noise = torch.randn(count, 3, 32, 32, generator=draw)
    return (torch.einsum("bk,kchw->bchw", weights, smooth) * 0.1 + 0.02 * noise).clamp(-1, 1)


@pytest.fixture(scope="module")
def base():
    return PortraitBase(BASE).fit(portraits(60).split(20))


def made(family, base):
    torch.manual_seed(1)
    net = family(SMALL[family])
    net.base.load_state_dict(base.state_dict())
    return net.eval()


def entry(net):
    if isinstance(net, NanoGenerator):
        return torch.randn(2, net.spec.n_latent, net.spec.style_width)
    return torch.rand(2, PLANES[type(net)], 32, 32) * 2 - 1


@pytest.mark.parametrize("family", NETS)
def test_a_state_dict_comes_back_as_the_same_network(family, base):
    net = made(family, base)
    x, again = entry(net), family.from_state(net.state_dict())
    assert again.spec == net.spec
    torch.testing.assert_close(again(x), net(x), rtol=0, atol=0)


@pytest.mark.parametrize("family", NETS)
def test_the_default_shape_is_read_off_its_own_state_dict(family):
    with torch.device("meta"):
        net = family()
    assert type(net.spec).of(net.state_dict()) == net.spec


@pytest.mark.parametrize("family", NETS)
def test_a_state_dict_of_something_else_is_refused(family):
    with pytest.raises(WeightsError, match="no weights of a nano"):
        family.from_state({"weight": torch.zeros(1)})


@pytest.mark.parametrize("family", NETS)
def test_another_size_is_refused(family, base):
    net = made(family, base)
    with pytest.raises(ValueError, match="must be|takes"):
        net(entry(net)[..., 1:])


def test_the_delivered_stack_fits_sixteen_mebibytes_in_half_precision():
    with torch.device("meta"):
        nets = [family() for family in NETS]
    numbers = sum(value.numel() for net in nets for value in net.state_dict().values())
    assert 2 * numbers <= 16 * 2**20


def test_codes_of_the_pictures_they_were_fitted_to_have_mean_0_and_variance_1(base):
    codes = base.codes(portraits(60))
    torch.testing.assert_close(codes.mean(dim=0), torch.zeros(32), atol=1e-3, rtol=0)
    torch.testing.assert_close(codes.var(dim=0, correction=0), torch.ones(32), atol=1e-2, rtol=0)


def test_as_many_components_as_the_world_has_give_its_unseen_portraits_back(base):
    unseen = portraits(80)[60:]
    half = torch.nn.functional.avg_pool2d(unseen, 2)
    error = (base(base.codes(unseen)) - half)[..., base.rows, base.columns].square().mean()
    assert error < 0.05 * half.var()


def test_codes_change_by_the_change_of_the_picture(base):
    one, other = portraits(40).split(20)
    difference = torch.nn.functional.avg_pool2d(other - one, 2)
    torch.testing.assert_close(
        base.change(difference), base.codes(other) - base.codes(one), atol=1e-3, rtol=1e-3
    )


def test_too_few_portraits_are_refused():
    with pytest.raises(ValueError, match="cannot give"):
        PortraitBase(BASE).fit([portraits(8)])


def test_components_that_fill_no_whole_styles_are_refused():
    with pytest.raises(ValueError, match="do not fill"):
        NanoGeneratorSpec(BASE, style_width=7)


def test_an_untrained_generator_starts_near_its_base(base):
    net, truth = made(NanoGenerator, base), portraits(4)
    w_plus = made(NanoEncoder, base)(truth)
    half = torch.nn.functional.avg_pool2d(net(w_plus), 2)
    assert (half - torch.nn.functional.avg_pool2d(truth, 2)).abs().mean() < 0.1


def test_the_length_of_a_detail_style_says_nothing(base):
    net = made(NanoGenerator, base)
    w_plus = entry(net)
    longer = w_plus.clone()
    longer[:, net.spec.linear :] = 3 * longer[:, net.spec.linear :] + 1
    torch.testing.assert_close(net(longer), net(w_plus), atol=1e-4, rtol=1e-4)


def test_noise_is_what_the_caller_says(base):
    net = made(NanoGenerator, base)
    w_plus = entry(net)
    fresh = net(w_plus, noise=torch.Generator().manual_seed(7))
    again = net(w_plus, noise=net.fresh_noise(2, torch.Generator().manual_seed(7)))
    torch.testing.assert_close(net(w_plus), net(w_plus, noise=net.stored_noise()), rtol=0, atol=0)
    torch.testing.assert_close(fresh, again, rtol=0, atol=0)
    assert not torch.equal(fresh, net(w_plus))


def test_random_codes_have_the_shape_of_w_plus(base):
    net = made(NanoGenerator, base)
    codes = net.random_codes(3, torch.Generator().manual_seed(0))
    assert net(codes).shape == (3, 3, 32, 32)


def test_scaling_the_map_is_scaling_the_weights():
    torch.manual_seed(0)
    conv = StyledConv(5, 4, 6)
    x, style = torch.randn(2, 5, 7, 7), torch.randn(2, 6)
    for picture, own, found in zip(x, style, conv(x, style), strict=True):
        scaled = conv.weight * conv.style(own)[None, :, None, None]
        norm = scaled.square().sum(dim=(1, 2, 3), keepdim=True).add(1e-6).rsqrt()
        plain = torch.nn.functional.conv2d(picture[None], scaled * norm, padding=1)[0]
        expected = torch.nn.functional.leaky_relu(2**0.5 * plain, 0.2)
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


def test_encoded_detail_styles_have_mean_0_and_variance_1(base):
    net = made(NanoEncoder, base)
    styles = net(portraits(3))[:, net.spec.base.numbers // net.spec.style_width :]
    torch.testing.assert_close(styles.mean(dim=2), torch.zeros(3, 4), atol=1e-5, rtol=0)
    torch.testing.assert_close(styles.var(dim=2, correction=0), torch.ones(3, 4), atol=1e-2, rtol=0)


def test_an_untrained_prior_leaves_everybody_as_they_are(base):
    planes = with_age_plane(portraits(2), torch.tensor([10.0, 80.0]))
    offsets = made(NanoAgeing, base)(planes)
    torch.testing.assert_close(offsets, torch.zeros_like(offsets), atol=1e-3, rtol=0)


def test_the_slope_of_the_prior_reaches_every_weight_and_both_age_and_picture(base):
    net = made(NanoAgeing, base)
    for last in (net.to_change, net.styles):
        torch.nn.init.normal_(last.weight)
    planes = with_age_plane(portraits(2), torch.tensor([10.0, 80.0])).requires_grad_(True)
    net(planes).square().sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in net.parameters())
    assert planes.grad[:, :3].any()
    assert planes.grad[:, 3].any()


def test_the_discriminator_scores_patches_at_three_scales_from_every_plane():
    discriminator = NanoDiscriminator(4, (4, 6, 8))
    x = torch.randn(2, 4, 32, 32, requires_grad=True)
    verdict = discriminator(x)
    assert [tuple(one.shape) for one in verdict.logits] == [
        (2, 1, 16, 16),
        (2, 1, 8, 8),
        (2, 1, 4, 4),
    ]
    torch.stack([one.mean() for one in verdict.logits]).sum().backward()
    assert x.grad.abs().sum(dim=(0, 2, 3)).all()


def test_the_stack_is_a_time_machine(base):
    generator = made(NanoGenerator, base)
    machine = TimeMachine(
        psp=made(NanoEncoder, base),
        sam=made(NanoAgeing, base),
        latent_average=torch.zeros(generator.spec.n_latent, generator.spec.style_width),
        decoder=generator,
    )
    photo = portraits(1)
    aged = machine(photo, torch.tensor([10.0, 80.0]))
    inverted = machine.invert(photo).expand_as(aged.w_plus)
    torch.testing.assert_close(aged.w_plus, inverted, atol=1e-3, rtol=0)
    assert aged.image.shape == (2, 3, 32, 32)
