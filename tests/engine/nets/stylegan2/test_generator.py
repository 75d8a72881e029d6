"""The fast generator is the plain one; sizes, noise, mixing and truncation mean what they say."""

import pytest
import torch
from rounding import assert_equal_but_for_rounding

from engine.core.errors import WeightsError
from engine.nets.loading import frozen
from engine.nets.stylegan2.generator import Generator, truncated
from engine.nets.stylegan2.plain import synthesise
from engine.nets.stylegan2.spec import GeneratorSpec, widths

SPEC = GeneratorSpec(32, channels=(16, 12, 8, 8), style_width=10, mapping_layers=2)


@pytest.fixture
def net(fill):
    with torch.no_grad():
        return fill(Generator(SPEC))


def codes(batch, spec=SPEC):
    return torch.randn(batch, spec.n_latent, spec.style_width)


def gradients(net, picture, w_plus):
    wanted = [w_plus, *(p for p in net.parameters() if p.requires_grad)]
    weights = torch.linspace(-1, 1, picture.numel(), dtype=picture.dtype).view_as(picture)
    return torch.autograd.grad((picture * weights).sum(), wanted, allow_unused=True)


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("size", [32, 64])
def test_pictures_equal_those_of_the_plain_form(fill, batch, size):
    spec = GeneratorSpec(size, channels=widths(size, base=512, cap=24), style_width=10)
    w_plus = codes(batch, spec)
    with torch.no_grad():
        net = fill(Generator(spec))
        fast, slow = net(w_plus), synthesise(net, w_plus, net.stored_noise())
    assert fast.shape == (batch, 3, size, size)
    # Two convolutions and a blur for each of up to four doublings; 9 x 24 inputs.
    assert_equal_but_for_rounding(fast, slow, layers=20, fan_in=216)


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("learns", [True, False], ids=["trained", "frozen"])
def test_gradients_equal_those_of_the_plain_form(net, batch, learns):
    net = net.double().requires_grad_(learns)
    w_plus = codes(batch).double().requires_grad_()
    noise = net.stored_noise()
    fast = gradients(net, net(w_plus, noise=noise), w_plus)
    slow = gradients(net, synthesise(net, w_plus, noise), w_plus)
    torch.testing.assert_close(fast, slow)


def test_second_gradients_equal_those_of_the_plain_form(net):
    net = net.double()
    w_plus = codes(1).double().requires_grad_()

    def stretch(picture):
        slope = torch.autograd.grad(picture.square().sum(), w_plus, create_graph=True)[0]
        return torch.autograd.grad(slope.square().sum(), net.conv1.conv.weight)[0]

    slow = synthesise(net, w_plus, net.stored_noise())
    torch.testing.assert_close(stretch(net(w_plus)), stretch(slow))


def test_half_precision_stays_near_the_full_one(net):
    w_plus = codes(2)
    with torch.no_grad():
        exact = net(w_plus)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            rough = net(w_plus)
    assert rough.dtype == torch.float32
    assert (rough - exact).abs().max() < 0.05 * exact.abs().max()


def test_the_generator_compiles_as_one_graph(net):
    w_plus = codes(1)
    with torch.no_grad():
        torch.testing.assert_close(
            torch.compile(net, backend="eager", fullgraph=True)(w_plus), net(w_plus)
        )


def test_a_batch_is_its_samples(net):
    w_plus = codes(3)
    with torch.no_grad():
        alone = torch.cat([net(one[None]) for one in w_plus])
        assert_equal_but_for_rounding(net(w_plus), alone, layers=20, fan_in=216)


def test_given_noise_replaces_the_stored_noise(net):
    w_plus = codes(1)
    with torch.no_grad():
        stored = net(w_plus)
        assert torch.equal(net(w_plus, noise=net.stored_noise()), stored)
        still = net(w_plus, noise=[plane * 0 for plane in net.stored_noise()])
    assert not torch.allclose(still, stored)


def test_fresh_noise_follows_its_generator_and_differs_between_samples(net):
    w_plus = codes(1).expand(2, -1, -1)

    def draw(seed):
        with torch.no_grad():
            return net(w_plus, noise=torch.Generator().manual_seed(seed))

    assert torch.equal(draw(5), draw(5))
    assert not torch.allclose(draw(5), draw(6))
    assert not torch.allclose(*draw(5))


def test_mixing_takes_the_coarse_layers_from_one_and_the_rest_from_the_other(net):
    one, other = torch.randn(2, 1, SPEC.style_width)
    mixed = net.mixed(one, other, 3)
    assert torch.equal(mixed[:, :3], net.repeated(one)[:, :3])
    assert torch.equal(mixed[:, 3:], net.repeated(other)[:, 3:])
    assert torch.equal(net.mixed(one, other, 0), net.repeated(other))
    assert torch.equal(net.mixed(one, other, SPEC.n_latent), net.repeated(one))


def test_truncation_runs_from_the_centre_to_the_untouched(net):
    centre, w = torch.randn(10), torch.randn(2, 10)
    torch.testing.assert_close(truncated(w, centre, 1), w)
    torch.testing.assert_close(truncated(w, centre, 0), centre.expand(2, -1))
    torch.testing.assert_close(truncated(w, centre, 0.5), (w + centre) / 2)


def test_the_mean_style_follows_its_generator(net):
    first = net.mean_w(64, torch.Generator().manual_seed(1))
    assert first.shape == (SPEC.style_width,)
    assert torch.equal(first, net.mean_w(64, torch.Generator().manual_seed(1)))


@pytest.mark.parametrize("size", [32, 64, 128, 256, 512, 1024])
@pytest.mark.parametrize("base", [4096, 32768])
def test_the_shape_read_off_a_state_dict_is_the_one_built(size, base):
    spec = GeneratorSpec(size, widths(size, base=base), style_width=96, mapping_layers=5)
    with torch.device("meta"):
        net = Generator(spec)
    assert GeneratorSpec.of(net.state_dict()) == spec


def test_the_published_widths():
    assert widths(1024) == (512, 512, 512, 512, 512, 256, 128, 64, 32)
    assert GeneratorSpec(1024, widths(1024)).n_latent == 18


@pytest.mark.parametrize("size", [16, 48, 100])
def test_sizes_that_are_no_power_of_two_from_32_up_are_refused(size):
    with pytest.raises(ValueError, match="power of two"):
        widths(size)


def test_a_state_dict_comes_back_as_the_same_network(net):
    again = Generator.from_state(net.state_dict())
    w_plus = codes(1)
    assert torch.equal(again(w_plus), net(w_plus))
    assert again.state_dict().keys() == net.state_dict().keys()


def test_what_is_missing_renamed_or_of_another_shape_is_named(net):
    state = dict(net.state_dict())
    state["convs.1.activate.biass"] = state.pop("convs.1.activate.bias")
    state["to_rgbs.0.bias"] = torch.zeros(1, 4, 1, 1)
    with pytest.raises(WeightsError) as caught:
        Generator.from_state(state)
    message = str(caught.value)
    assert "`convs.1.activate.bias` is missing" in message
    assert "`convs.1.activate.biass` is unexpected" in message
    assert "`to_rgbs.0.bias` is (1, 4, 1, 1), not (1, 3, 1, 1)" in message


def test_a_state_dict_of_something_else_is_refused():
    with pytest.raises(WeightsError, match=r"conv1\.conv\.modulation\.weight"):
        Generator.from_state({"weight": torch.zeros(1)})


def test_codes_of_the_wrong_shape_are_refused(net):
    with pytest.raises(ValueError, match=r"\(b, 8, 10\)"):
        net(torch.zeros(1, 18, 10))


def test_a_frozen_generator_still_passes_gradients_to_its_codes(net):
    frozen(net)
    w_plus = codes(1).requires_grad_()
    net(w_plus).sum().backward()
    assert w_plus.grad.abs().sum() > 0
    assert all(parameter.grad is None for parameter in net.parameters())
