"""AgeTransformer v2: one encoding for all ages, and every part of it learns."""

import pytest
import torch
from rounding import assert_equal_but_for_rounding
from torch.utils.flop_counter import FlopCounterMode

from engine.core.errors import WeightsError
from engine.nets.agetransformer.v1 import PublishedTransformer
from engine.nets.agetransformer.v2 import SlimSpec, SlimTransformer
from engine.nets.agetransformer.v2_discriminator import SlimDiscriminator

SMALL = SlimSpec(
    size=32,
    anchors=3,
    stem=4,
    widths=(8, 32),
    decoder_widths=(8, 32),
    blocks=1,
    convolved=1,
    style=8,
    shared_channels=4,
    window=4,
)
DEEP = {"layers": 40, "fan_in": 9 * 64, "gain": 2}
"""About 40 products on the longest path of `SMALL`, of up to 9 x 64 inputs; the colours are scaled
by a factor that is predicted too, so a relative change counts twice."""
TEN = torch.eye(10)[None]
PUBLISHED = 429.8e9
"""Operations of the published network for one age at 128 px, counted from its layers."""


@pytest.fixture
def net(fill):
    """Every parameter has a value of its own; the flow stays within about a pixel, as in a trained
    network: a larger one would multiply rounding by the contrast of the pixels it passes.
    """
    with torch.no_grad():
        net = fill(SlimTransformer(SMALL).eval(), 0.1)
        net.flow.weight.mul_(0.01)
        return net


def operations(run):
    with FlopCounterMode(display=False) as counter:
        run()
    return counter.get_total_flops()


@torch.no_grad()
def test_all_ages_in_one_call_are_the_pictures_of_single_calls(net):
    photo, weights = torch.rand(2, 3, 32, 32) * 2 - 1, torch.eye(3)[None]
    together = net(photo, weights)
    assert together.shape == (2, 3, 3, 32, 32)
    for age in range(3):
        alone = net(photo[1:], weights[:, age : age + 1])
        assert_equal_but_for_rounding(together[1:, age], alone[:, 0], **DEEP)
    assert (together[:, 0] - together[:, 2]).abs().mean() > 1e-3


@torch.no_grad()
def test_every_face_may_have_ages_of_its_own(net):
    photo, weights = torch.rand(2, 3, 32, 32), torch.rand(2, 2, 3).softmax(-1)
    both = net(photo, weights)
    second = net(photo[1:], weights[1:])
    assert_equal_but_for_rounding(both[1:], second, **DEEP)


@torch.no_grad()
def test_untrained_it_leaves_everybody_as_they_are():
    photo = torch.rand(1, 3, 32, 32) * 2 - 1
    output = SlimTransformer(SMALL)(photo, torch.eye(3)[None])
    assert (output - photo[:, None]).abs().max() < 1e-4


@torch.no_grad()
def test_ages_between_anchors_lie_between_them(net):
    photo = torch.rand(1, 3, 32, 32)
    shares = torch.tensor([[[1.0, 0, 0], [0.99, 0.01, 0], [0, 1, 0]]])
    young, near, old = net(photo, shares)[0]
    assert 0 < (near - young).abs().mean() < 0.1 * (old - young).abs().mean()


@pytest.mark.parametrize("side", [20, 32, 50, 64])
@torch.no_grad()
def test_any_side_goes(net, side):
    photo = torch.rand(1, 3, side, side)
    assert net(photo, torch.eye(3)[None]).shape == (1, 3, 3, side, side)


def test_sides_out_of_reach_are_refused(net):
    with pytest.raises(ValueError, match="at most 512 px"):
        net(torch.zeros(1, 3, 640, 640), torch.eye(3)[None])
    with pytest.raises(ValueError, match="at most 512 px"):
        net(torch.zeros(1, 3, 32, 40), torch.eye(3)[None])
    with pytest.raises(ValueError, match="wider"):
        SlimSpec(decoder_widths=(96, 64, 32))
    with pytest.raises(ValueError, match="always attends"):
        SlimSpec(convolved=3)
    with pytest.raises(ValueError, match="multiples of 32"):
        SlimSpec(decoder_widths=(16, 24, 80))


@torch.no_grad()
def test_the_shape_is_read_off_the_weights(net):
    again = SlimTransformer.from_state(net.state_dict(), size=32, window=4)
    assert again.spec == SMALL
    photo = torch.rand(1, 3, 32, 32)
    assert torch.equal(again(photo, torch.eye(3)[None]), net(photo, torch.eye(3)[None]))
    state = {key: value for key, value in net.state_dict().items() if key != "flow.weight"}
    with pytest.raises(WeightsError, match=r"`flow.weight` is missing"):
        SlimTransformer.from_state(state, size=32, window=4)
    with pytest.raises(WeightsError, match="no weights of an AgeTransformer v2"):
        SlimTransformer.from_state({"a": torch.zeros(1)}, size=32)


def test_every_part_learns_once_the_last_ones_have_begun():
    net = SlimTransformer(SMALL)
    torch.nn.init.normal_(net.flow.weight, std=0.1)
    torch.nn.init.normal_(net.change.weight, std=0.1)
    output = net(torch.rand(2, 3, 32, 32), torch.eye(3)[None])
    (output - torch.rand_like(output)).square().mean().backward()
    still = [name for name, p in net.named_parameters() if p.grad is None or not p.grad.any()]
    assert not still


@torch.no_grad()
def test_ten_ages_cost_a_tenth_of_the_published_ones_and_a_third_of_ten_calls():
    net, photo = SlimTransformer().eval(), torch.zeros(1, 3, 128, 128)
    together = operations(lambda: net(photo, TEN))
    assert together < 10 * PUBLISHED / 10
    assert 3 * together < 10 * operations(lambda: net(photo, TEN[:, :1]))


@pytest.mark.slow
@torch.no_grad()
def test_the_published_network_costs_what_is_said_of_it():
    net = PublishedTransformer().eval()
    counted = operations(lambda: net(torch.zeros(1, 3, 128, 128), TEN[:, :1]))
    assert counted == pytest.approx(PUBLISHED, rel=0.02)


@torch.no_grad()
def test_the_discriminator_is_linear_in_the_target_and_predicts_an_age():
    discriminator = SlimDiscriminator(3, (8, 8, 8))
    picture = torch.rand(2, 3, 32, 32)
    young, old = (discriminator(picture, torch.eye(3)[[age, age]]) for age in (0, 2))
    assert [tuple(logits.shape) for logits in young.logits] == [
        (2, 1, 16, 16),
        (2, 1, 8, 8),
        (2, 1, 4, 4),
    ]
    assert young.ages.shape == (2, 3)
    assert torch.equal(young.ages, old.ages)
    assert not torch.equal(young.logits[0], old.logits[0])
    halfway = discriminator(picture, torch.tensor([[0.5, 0, 0.5]] * 2)).logits[0]
    mean = (young.logits[0] + old.logits[0]) / 2
    assert_equal_but_for_rounding(halfway, mean, layers=4, fan_in=72, gain=4)
