import pytest
import torch

from engine.core.errors import WeightsError
from engine.landscapes.nets.discriminator import (
    DiscriminatorSpec,
    LandscapeDiscriminator,
    minibatch_std,
)
from engine.landscapes.nets.encoder import EncoderSpec, LandscapeEncoder
from engine.landscapes.nets.eru import SCALE_HIGH, SCALE_LOW, EruRange, FilmEru
from engine.landscapes.nets.evaluator import VaEvaluator, VaEvaluatorSpec
from engine.landscapes.nets.generator import GeneratorSpec, LandscapeGenerator

SMALL = GeneratorSpec(latent=6, widths=(16, 12, 8), hidden=5)
FORMS = ("film", "gate", "norm", "none")


def parameters(net):
    return sum(p.numel() for p in net.parameters())


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def test_full_size_networks_have_the_published_numbers_of_parameters():
    with torch.device("meta"):
        norms = 2 * sum((*GeneratorSpec().widths[:-1], 32))
        assert parameters(LandscapeGenerator()) - norms == 5_128_813
        assert parameters(LandscapeEncoder()) == 4_887_200
        assert parameters(LandscapeDiscriminator()) == 11_872_134


@pytest.mark.parametrize("seed", range(6))
def test_gamma_is_bounded_for_any_weights(seed):
    torch.manual_seed(seed)
    unit = FilmEru(7, hidden=4, soft=bool(seed % 2))
    for p in unit.parameters():
        torch.nn.init.normal_(p, 0, 10.0)
    ticks = torch.linspace(0, 1, 6)
    for one in unit.modulations(torch.cartesian_prod(ticks, ticks)):
        assert one.gamma.min() >= 0.4 * SCALE_LOW - 1e-5
        assert one.gamma.max() <= 1.8 * SCALE_HIGH + 1e-5
        assert one.gamma.max() <= unit.bound + 1e-5
        assert one.beta.abs().max() <= 2.0 * SCALE_HIGH + 1e-5
    assert EruRange().gamma == pytest.approx((0.4, 1.8))


def test_a_new_unit_multiplies_by_the_condition_alone():
    unit, x = FilmEru(3), torch.randn(2, 3, 4, 4)
    low, high = (unit(x, torch.full((2, 2), v)) for v in (0.0, 1.0))
    assert torch.allclose(low, 1.8 * x)
    assert torch.allclose(high, 2.2 * x)


@pytest.mark.parametrize("form", FORMS)
def test_a_generator_is_rebuilt_from_its_weights(form):
    spec = GeneratorSpec(latent=6, widths=(16, 12, 8), eru=form, units=1, hidden=5, soft=True)
    net = LandscapeGenerator(spec).eval()
    latents, va = torch.randn(3, 6), torch.rand(3, 2)
    again = LandscapeGenerator.from_state(net.state_dict())
    assert torch.equal(again(latents, va), net(latents, va))
    assert net(latents, va).shape == (3, 3, 16, 16)
    assert again.spec.widths == spec.widths


@pytest.mark.parametrize("form", FORMS)
def test_valence_and_arousal_reach_the_picture_through_the_units_only(form):
    net = LandscapeGenerator(GeneratorSpec(latent=6, widths=(16, 8), eru=form, hidden=4)).eval()
    with torch.no_grad():
        for name, p in net.named_parameters():
            if "place" in name:
                p.normal_()
    latents = torch.randn(1, 6)
    one, other = (net(latents, torch.tensor([va])) for va in ((0.1, 0.2), (0.9, 0.7)))
    assert torch.equal(one, other) is (form == "none")


def test_all_networks_are_rebuilt_from_their_weights():
    pictures, va = torch.randn(4, 3, 16, 16), torch.rand(4, 2)
    encoder = LandscapeEncoder(EncoderSpec(6, (8, 16))).eval()
    assert torch.equal(
        LandscapeEncoder.from_state(encoder.state_dict())(pictures).mean, encoder(pictures).mean
    )
    shapes = (
        (2, True, True, True, 1.0, False),
        (1, False, False, False, 1.0, False),
        (1, True, True, True, 1.414, True),
        (2, True, True, True, 1.0, False, True),
    )
    for shape in shapes:
        spec = DiscriminatorSpec((6, 8, 10), *shape)
        net = LandscapeDiscriminator(spec).eval()
        again = LandscapeDiscriminator.from_state(net.state_dict())
        assert again.spec == spec
        assert torch.equal(again(pictures, va).logits, net(pictures, va).logits)
    evaluator = VaEvaluator(VaEvaluatorSpec(16, (8, 12))).eval()
    assert torch.equal(
        VaEvaluator.from_state(evaluator.state_dict())(pictures), evaluator(pictures)
    )


@pytest.mark.parametrize("net", [LandscapeGenerator, LandscapeEncoder, LandscapeDiscriminator])
def test_weights_of_something_else_are_refused(net):
    with pytest.raises(WeightsError, match="is missing"):
        net.from_state({"a": torch.zeros(1)})


@pytest.mark.parametrize("units", [False, True])
def test_the_va_head_does_not_depend_on_the_condition(units):
    shape = DiscriminatorSpec((6, 8, 10), projection=not units, units=units)
    net = LandscapeDiscriminator(shape).eval()
    pictures = torch.randn(4, 3, 16, 16)
    one, other = (net(pictures, torch.full((4, 2), v)) for v in (0.1, 0.9))
    assert torch.equal(one.va, other.va)
    assert not torch.equal(one.logits, other.logits)


def test_spectral_norm_brings_the_largest_singular_value_to_one():
    net = LandscapeDiscriminator(DiscriminatorSpec((6, 8, 10)))
    conv = net.blocks[0][1]
    with torch.no_grad():
        conv.weight.mul_(7)
    for _ in range(60):
        net(torch.randn(2, 3, 16, 16), torch.rand(2, 2))
    largest = torch.linalg.matrix_norm(conv.weight.flatten(1), 2)
    norm = conv._norm(conv.weight.flatten(1)).item()
    assert norm == pytest.approx(largest.item(), rel=1e-2)
    kept = conv.vector.clone()
    net.eval()(torch.randn(2, 3, 16, 16), torch.rand(2, 2))
    assert torch.equal(conv.vector, kept)


def test_a_gain_makes_up_for_the_decay_of_a_spectrally_normalised_stack():
    pictures, va = torch.randn(8, 3, 16, 16), torch.rand(8, 2)
    spread = {}
    for gain in (1.0, 1.414):
        torch.manual_seed(1)
        net = LandscapeDiscriminator(DiscriminatorSpec((8, 8, 8), gain=gain)).train()
        for _ in range(20):
            net(pictures, va)
        spread[gain] = float(net.features(pictures)[:, :8].detach().std(dim=0).norm())
    # An entry and three blocks of two convolutions: seven factors.
    assert spread[1.414] > 4 * spread[1.0]


def test_an_unconstrained_va_head_reaches_the_whole_range():
    pictures, va = torch.randn(4, 3, 16, 16), torch.rand(4, 2)
    errors = {}
    for free in (False, True):
        torch.manual_seed(1)
        net = LandscapeDiscriminator(
            DiscriminatorSpec((6, 8, 8), unconstrained_va_head=free)
        ).eval()
        with torch.no_grad():
            net.reader.weight.mul_(1_000)
        errors[free] = (net(pictures, va).va - 0.5).abs().max()
    assert errors[True] > 0.4
    assert errors[False] < 0.1


@pytest.mark.parametrize("count", [1, 2, 3, 5, 6, 8])
def test_the_minibatch_std_of_any_batch_has_finite_gradients(count):
    x = torch.randn(1, 4, 3, 3).repeat(count, 1, 1, 1).requires_grad_(True)
    minibatch_std(x).sum().backward()
    assert torch.isfinite(x.grad).all()
    varied = minibatch_std(torch.randn(count, 4, 3, 3))
    assert varied.shape == (count, 1)
    # Five have no divisor below: each is a group of its own.
    assert bool((varied > 0.1).all()) is (count not in (1, 5))
