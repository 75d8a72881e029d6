"""Every landscape loss: values computed by hand, and the networks that get a gradient."""

import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from engine.landscapes.losses.base import LANDSCAPE_LOSSES, discriminator_terms, generator_terms
from engine.landscapes.losses.inputs import LandscapeLossInputs, LandscapeNetworks
from engine.landscapes.nets.discriminator import (
    DiscriminatorOutput,
    DiscriminatorSpec,
    LandscapeDiscriminator,
)
from engine.landscapes.nets.encoder import EncoderSpec, LandscapeEncoder, LatentDistribution
from engine.landscapes.nets.eru import GatedMap
from engine.landscapes.nets.generator import GeneratorSpec, LandscapeGenerator
from engine.losses.pixel import gradient_l1, pyramid_l1
from engine.schedules import parse_schedule

BATCH, LATENT = 4, 5
WITH_GENERATOR_LOSS = set(LANDSCAPE_LOSSES) - {"r1", "r2"}
WITH_DISCRIMINATOR_LOSS = {"hinge", "relativistic", "valence_arousal", "r1", "r2"}
WITH_ENCODER = {"kl", "reconstruction", "perceptual"}


def distance(one, other):
    return pyramid_l1(one, other) + gradient_l1(one, other)


def loss_of(kind, **settings):
    return LANDSCAPE_LOSSES[kind](weight=parse_schedule(1.0), **settings)


@pytest.fixture
def inputs():
    torch.manual_seed(3)
    widths = (8, 6)
    networks = LandscapeNetworks(
        LandscapeGenerator(GeneratorSpec(LATENT, widths, hidden=4)),
        LandscapeDiscriminator(DiscriminatorSpec((6, 8), units=True)),
        LandscapeEncoder(EncoderSpec(LATENT, (8,))),
        distance,
    )
    return LandscapeLossInputs(
        networks,
        real=torch.rand(BATCH, 3, 8, 8) * 2 - 1,
        va=torch.rand(BATCH, 2),
        target_va=torch.rand(BATCH, 2),
        other_va=torch.rand(BATCH, 2),
        noise=torch.randn(BATCH, LATENT),
        other_noise=torch.randn(BATCH, LATENT),
        augment=lambda pictures: pictures,
        generator_step=True,
    )


def with_memo(inputs, **memo):
    """The inputs with some network outputs given."""
    return replace(inputs, memo=memo)


def outputs(real, fake):
    va = torch.tensor([[0.5, 0.5], [0.25, 1.0]])
    return {
        "real": DiscriminatorOutput(torch.tensor(real), va),
        "fake": DiscriminatorOutput(torch.tensor(fake), va),
    }


def has_gradient(net):
    return any(p.grad is not None and bool(p.grad.abs().sum() > 0) for p in net.parameters())


def test_the_lists_here_know_every_loss():
    known = WITH_GENERATOR_LOSS | WITH_DISCRIMINATOR_LOSS | WITH_ENCODER
    assert known == set(LANDSCAPE_LOSSES)


@pytest.mark.parametrize("kind", sorted(WITH_GENERATOR_LOSS))
def test_the_generator_loss_has_a_finite_gradient(kind, inputs):
    settings = {"margin": 2.0} if kind == "latent_diversity" else {}
    settings |= {"ratio": 9.0} if kind == "va_diversity" else {}
    value = loss_of(kind, **settings).generator_loss(inputs)
    assert value.shape == ()
    value.backward()
    trained = inputs.networks.encoder if kind == "kl" else inputs.networks.generator
    assert has_gradient(trained)
    for p in inputs.networks.generator.parameters():
        assert p.grad is None or torch.isfinite(p.grad).all()


@pytest.mark.parametrize("kind", sorted(WITH_DISCRIMINATOR_LOSS))
def test_the_discriminator_loss_has_no_gradient_in_other_networks(kind, inputs):
    term = loss_of(kind).discriminator_loss(replace(inputs, generator_step=False), 0)
    term.value.backward()
    assert has_gradient(inputs.networks.discriminator)
    assert not has_gradient(inputs.networks.generator)
    assert not has_gradient(inputs.networks.encoder)


@pytest.mark.parametrize("kind", sorted(LANDSCAPE_LOSSES))
def test_losses_on_encoded_latents_need_an_encoder(kind):
    assert loss_of(kind).needs_encoder() is (kind in WITH_ENCODER)


@pytest.mark.parametrize("kind", ["reconstruction", "perceptual"])
def test_losses_on_random_latents_need_no_encoder(kind, inputs):
    loss = loss_of(kind, latent="random")
    assert not loss.needs_encoder()
    even = replace(inputs, networks=replace(inputs.networks, encoder=None))
    assert loss.generator_loss(even) > 0
    with pytest.raises(ValueError, match="no encoder"):
        loss_of(kind).generator_loss(replace(even, memo={}))


def test_the_hinge_loss_at_logits_of_zero_is_two(inputs):
    even = with_memo(inputs, **outputs([0.0, 0.0], [0.0, 0.0]))
    assert loss_of("hinge").discriminator_loss(even, 0).value == pytest.approx(2)
    separated = with_memo(inputs, **outputs([2.0, 0.5], [-3.0, 0.5]))
    # relu(1 - 2), relu(1 - .5); relu(1 - 3), relu(1 + .5); the generator wants high logits.
    assert loss_of("hinge").discriminator_loss(separated, 0).value == pytest.approx(0.25 + 0.75)
    assert loss_of("hinge").generator_loss(separated) == pytest.approx(1.25)


def test_the_relativistic_loss_at_equal_logits_is_the_logarithm_of_two(inputs):
    even = with_memo(inputs, **outputs([0.3, -1.0], [0.3, -1.0]))
    assert loss_of("relativistic").discriminator_loss(even, 0).value == pytest.approx(math.log(2))
    confident = with_memo(inputs, **outputs([1.0, 1.0], [-1.0, -1.0]))
    assert loss_of("relativistic").discriminator_loss(confident, 0).value == pytest.approx(
        math.log1p(math.exp(-2))
    )
    assert loss_of("relativistic").generator_loss(confident) == pytest.approx(
        math.log1p(math.exp(2))
    )


def test_the_generator_is_compared_with_the_target_and_the_discriminator_with_the_label(inputs):
    two = replace(
        with_memo(inputs, **outputs([0.0, 0.0], [0.0, 0.0])),
        va=torch.tensor([[0.5, 0.5], [0.25, 1.0]]),
        target_va=torch.tensor([[0.5, 0.5], [0.25, 0.0]]),
    )
    loss = loss_of("valence_arousal", discriminator_weight=0.5)
    assert loss.generator_loss(two) == pytest.approx(1 / 4)
    assert loss.discriminator_loss(two, 0) == (pytest.approx(0), 0.5)


def test_reconstruction_is_the_mean_square_of_pixels(inputs):
    off = with_memo(inputs, reconstructed=inputs.real + 0.3)
    assert loss_of("reconstruction").generator_loss(off) == pytest.approx(0.09, rel=1e-5)
    assert loss_of("perceptual").generator_loss(off) > loss_of("perceptual").generator_loss(
        with_memo(inputs, reconstructed=inputs.real + 0.1)
    )


def test_the_kl_divergence_of_a_standard_normal_is_zero(inputs):
    normal = with_memo(
        inputs, encoded=LatentDistribution(torch.zeros(2, LATENT), torch.zeros(2, LATENT))
    )
    assert loss_of("kl").generator_loss(normal) == pytest.approx(0)
    # Mean 1 costs a half; variance e costs (e - 2) / 2.
    off = with_memo(
        inputs, encoded=LatentDistribution(torch.ones(2, LATENT), torch.ones(2, LATENT))
    )
    assert loss_of("kl").generator_loss(off) == pytest.approx(0.5 + (math.e - 2) / 2, rel=1e-5)


def test_affective_features_compare_the_attention_of_each_unit_to_either_axis(inputs):
    def gated(valence, arousal):
        return GatedMap(*(torch.full((2, 4, 2, 2), x) for x in (0.0, valence, arousal)))

    def output(*units):
        return DiscriminatorOutput(torch.zeros(2), torch.zeros(2, 2), units)

    two = with_memo(
        inputs,
        real=output(gated(0.5, 0.5), gated(0.2, 0.9)),
        fake=output(gated(0.6, 0.2), gated(0.2, 0.8)),
    )
    loss = loss_of("affective_features")
    assert loss.generator_loss(two) == pytest.approx((0.1 + 0.3 + 0.0 + 0.1) / 2)
    without = with_memo(inputs, real=output(), fake=output())
    with pytest.raises(ValueError, match="no units"):
        loss.generator_loss(without)


def test_diversity_is_zero_where_images_differ_as_their_conditions_do(inputs):
    target = torch.tensor([[0.0, 0.0], [0.5, 0.0], [1.0, 0.0]])
    flat = torch.tensor([0.0, 0.2, 0.4])[:, None, None, None].expand(3, 3, 4, 4)
    alike = replace(with_memo(inputs, generated=flat), target_va=target)
    assert loss_of("diversity").generator_loss(alike) == pytest.approx(0, abs=1e-4)
    # All pictures the same: the mean of 0, .5, 1 over all nine pairs is 4 / 9.
    same = replace(with_memo(inputs, generated=torch.zeros(3, 3, 4, 4)), target_va=target)
    assert loss_of("diversity").generator_loss(same) == pytest.approx(4 / 9)
    alone = replace(inputs, target_va=target[:1])
    assert loss_of("diversity").generator_loss(alone) == 0


def test_diversity_has_finite_gradients_for_equal_images(inputs):
    pictures = torch.zeros(3, 3, 4, 4, requires_grad=True)
    same = replace(with_memo(inputs, generated=pictures * 1.0), target_va=torch.rand(3, 2))
    loss_of("diversity").generator_loss(same).backward()
    assert torch.isfinite(pictures.grad).all()


def test_the_same_latent_at_another_condition_must_differ_by_their_distance(inputs):
    grey = torch.zeros(2, 3, 16, 16)
    pair = replace(
        with_memo(inputs, generated=grey, same_latent=grey + 0.1),
        target_va=torch.tensor([[0.0, 0.0], [0.3, 0.4]]),
        other_va=torch.tensor([[0.6, 0.8], [0.3, 0.4]]),
    )
    # Wanted 0.3 x 1 and 0; terms 0.1 and 0.1.
    assert loss_of("va_diversity", ratio=0.3).generator_loss(pair) == pytest.approx(0.1, rel=1e-5)


def test_another_latent_must_differ_by_the_margin_and_no_more(inputs):
    grey = torch.zeros(2, 3, 16, 16)
    loss = loss_of("latent_diversity", margin=0.12)
    near = with_memo(inputs, generated=grey, same_va=grey + 0.05)
    assert loss.generator_loss(near) == pytest.approx(0.07, rel=1e-5)
    far = with_memo(inputs, generated=grey, same_va=grey + 0.5)
    assert loss.generator_loss(far) == 0


def test_texture_at_fixed_pixels_is_penalised_and_other_texture_is_not(inputs):
    torch.manual_seed(5)
    real = torch.randn(256, 3, 8, 8)
    pattern = 0.5 * torch.randn(3, 8, 8)
    loss = loss_of("texture_sticking")

    def loss_at(generated):
        return loss.generator_loss(
            replace(with_memo(inputs, generated=generated), real=real)
        ).item()

    # White noise of variance 1/4 has a Laplacian of (16 + 4) / 4; pictures of their own cancel out.
    assert loss_at(torch.randn(256, 3, 8, 8) + pattern) == pytest.approx(5, rel=0.4)
    assert loss_at(torch.randn(256, 3, 8, 8)) == pytest.approx(0, abs=0.1)
    assert loss_at(real + torch.linspace(0, 1, 8)) == pytest.approx(0, abs=1e-6)


def test_banding_is_penalised_along_rows_and_along_columns(inputs):
    torch.manual_seed(6)
    real, other = torch.randn(2, 256, 3, 8, 8)
    loss = loss_of("banding")

    def loss_at(generated):
        return loss.generator_loss(
            replace(with_memo(inputs, generated=generated), real=real)
        ).item()

    # A row's mean has the variance 1 / 8, with bands 9 / 8: its bends are three times as large.
    expected = math.log(3) ** 2 / 2
    assert loss_at(other + torch.randn(256, 3, 8, 1)) == pytest.approx(expected, rel=0.1)
    assert loss_at(other + torch.randn(256, 3, 1, 8)) == pytest.approx(expected, rel=0.1)
    assert loss_at(other) == pytest.approx(0, abs=0.02)


@pytest.mark.parametrize("kind", ["texture_sticking", "banding"])
def test_a_batch_of_fewer_than_four_has_no_texture_loss(kind, inputs):
    few = replace(with_memo(inputs, generated=torch.randn(3, 3, 8, 8)), real=inputs.real[:3])
    assert loss_of(kind).generator_loss(few) == 0


class Plane(nn.Module):
    """A discriminator whose logit rises by a half with every pixel value of the picture."""

    def forward(self, picture, va):
        return DiscriminatorOutput(0.5 * picture.flatten(1).sum(dim=1), va)


@pytest.mark.parametrize("kind", ["r1", "r2"])
def test_the_gradient_penalty_of_a_linear_discriminator_comes_every_so_many_steps(kind, inputs):
    flat = replace(inputs, networks=replace(inputs.networks, discriminator=Plane()))
    literal = loss_of(kind, every=16, rescaled=False)
    rescaled = loss_of(kind, every=16)
    # 3 x 8 x 8 numbers, each with the slope 1/2.
    assert literal.discriminator_loss(flat, 32) == (pytest.approx(48), 1.0)
    assert rescaled.discriminator_loss(flat, 32).weight == 16
    assert literal.discriminator_loss(flat, 33) is None
    assert loss_of(kind).generator_loss(inputs) is None


def test_the_gradient_penalty_agrees_with_finite_differences(inputs):
    picture, va = inputs.real.clone(), inputs.va
    discriminator = inputs.networks.discriminator.eval()
    penalty = inputs.gradient_penalty("real")
    total, step = 0.0, 1e-2
    with torch.no_grad():
        for at in range(3 * 8 * 8):
            shift = torch.zeros(3 * 8 * 8)
            shift[at] = step
            shift = shift.view(1, 3, 8, 8)
            up, down = (discriminator(picture + s, va).logits.sum() for s in (shift, -shift))
            total += float((up - down) / (2 * step)) ** 2
    # All pictures were moved together: the sum of their gradients is what small steps see.
    leaf = picture.requires_grad_(True)
    (gradients,) = torch.autograd.grad(discriminator(leaf, va).logits.sum(), leaf)
    assert float(gradients.sum(dim=0).square().sum()) == pytest.approx(total, rel=0.05)
    assert float(penalty.detach()) == pytest.approx(
        float(gradients.square().sum(dim=(1, 2, 3)).mean()), rel=0.05
    )


def test_a_loss_of_no_weight_is_not_computed(inputs):
    off = LANDSCAPE_LOSSES["reconstruction"](weight=parse_schedule("0:0, 5:2"))
    assert generator_terms(inputs, [off], 4) == {}
    assert "reconstructed" not in inputs.memo
    terms = generator_terms(inputs, [off], 5)
    assert terms["generator/reconstruction"].weight == 2
    assert discriminator_terms(inputs, [off], 5) == {}


def test_images_are_generated_once(inputs):
    first = inputs.generated()
    loss_of("hinge").generator_loss(inputs)
    assert inputs.generated() is first
    with torch.no_grad():
        assert not replace(inputs, generator_step=False, memo={}).generated().requires_grad
