"""The nano networks that judge: what holds for every one of them, then what each promises."""

import pytest
import torch
from rounding import assert_equal_but_for_rounding

from engine.core.errors import WeightsError
from engine.nets.loading import frozen
from engine.nets.nano.age import AgeSpec, NanoAge
from engine.nets.nano.age_evaluator import AgeEvaluatorSpec, NanoAgeEvaluator
from engine.nets.nano.identity import IdentitySpec, NanoIdentity
from engine.nets.nano.landmarks import LandmarksSpec, NanoLandmarks, from_pixels, to_pixels

SMALL = {
    NanoIdentity: IdentitySpec(size=32, embedding=6, widths=(4, 6, 8)),
    NanoAge: AgeSpec(size=32, bins=11, widths=(4, 6, 8)),
    NanoAgeEvaluator: AgeEvaluatorSpec(size=32, bins=11, widths=(4, 6, 8), hidden=5),
    NanoLandmarks: LandmarksSpec(size=32, widths=(4, 6, 8), hidden=5),
}
NETS = list(SMALL)


def lived(family):
    """A small network whose running statistics have seen pictures."""
    torch.manual_seed(0)
    net = family(SMALL[family]).train()
    with torch.no_grad():
        for _ in range(3):
            net(torch.rand(8, 3, 32, 32) * 2 - 1)
    return frozen(net)


@pytest.mark.parametrize("family", NETS)
def test_a_state_dict_comes_back_as_the_same_network(family):
    net, x = lived(family), torch.rand(2, 3, 32, 32) * 2 - 1
    again = family.from_state(net.state_dict())
    assert again.spec == net.spec
    torch.testing.assert_close(again(x), net(x), rtol=0, atol=0)


@pytest.mark.parametrize("family", NETS)
def test_the_default_shape_is_read_off_its_own_state_dict(family):
    with torch.device("meta"):
        net = family()
    assert type(net.spec).of(net.state_dict()) == net.spec


@pytest.mark.parametrize("family", NETS)
def test_a_state_dict_of_something_else_is_refused(family):
    with pytest.raises(WeightsError, match="no (weights of a )?nano"):
        family.from_state({"weight": torch.zeros(1)})


@pytest.mark.parametrize("family", NETS)
def test_features_are_one_map_a_stage_each_half_the_size_of_the_last(family):
    maps = lived(family).features(torch.zeros(2, 3, 32, 32))
    assert [tuple(found.shape) for found in maps] == [(2, 4, 16, 16), (2, 6, 8, 8), (2, 8, 4, 4)]


@pytest.mark.parametrize("family", NETS)
def test_the_slope_reaches_every_pixel_of_a_larger_picture(family):
    picture = (torch.rand(1, 3, 48, 48) * 2 - 1).requires_grad_()
    output = lived(family)(picture).flatten()
    # Not the sum of squares, which is 1 for every unit vector: its slope is rounding.
    (output * torch.linspace(-1, 1, len(output))).sum().backward()
    assert picture.grad is not None
    assert (picture.grad.abs().sum(dim=1) > 0).float().mean() > 0.99


@pytest.mark.parametrize("family", NETS)
def test_the_output_does_not_depend_on_the_batch(family):
    net, portraits = lived(family), torch.rand(3, 3, 40, 40) * 2 - 1
    # At most 9 convolutions of up to 9 x 8 inputs, and a linear layer.
    assert_equal_but_for_rounding(
        net(portraits)[1:2], net(portraits[1:2]), layers=10, fan_in=72, gain=4
    )


def test_all_of_them_together_have_at_most_3_5_million_parameters():
    with torch.device("meta"):
        assert sum(p.numel() for family in NETS for p in family().parameters()) <= 3.5e6


def test_embeddings_have_length_one():
    embedding = lived(NanoIdentity)(torch.rand(3, 3, 32, 32))
    assert embedding.shape == (3, 6)
    torch.testing.assert_close(embedding.norm(dim=1), torch.ones(3))


@pytest.mark.parametrize("family", [NanoAge, NanoAgeEvaluator])
def test_the_age_is_the_mean_of_the_distribution(family):
    net, portraits = lived(family), torch.rand(3, 3, 32, 32)
    share = net(portraits).softmax(dim=1)
    torch.testing.assert_close(net.age(portraits), share @ torch.arange(11.0))


def test_the_age_evaluator_shares_no_layer_with_the_network_of_the_losses():
    net, judge = lived(NanoAge), lived(NanoAgeEvaluator)
    kinds = {tuple(m.kernel_size) for m in judge.modules() if isinstance(m, torch.nn.Conv2d)}
    assert kinds == {(4, 4)}
    assert not any(isinstance(m, type(net.trunk)) for m in judge.modules())


def test_points_start_from_the_mean_face():
    net, mean = lived(NanoLandmarks), torch.rand(68, 2) * 2 - 1
    net.start_from(mean)
    points = net(torch.rand(2, 3, 32, 32))
    torch.testing.assert_close(points, mean.expand(2, 68, 2))


def test_points_are_in_pixels_of_the_input_picture():
    net, portraits = lived(NanoLandmarks), torch.rand(2, 3, 64, 64)
    torch.testing.assert_close(net.points(portraits), to_pixels(net(portraits), 64))


def test_minus_one_and_one_are_the_outer_edges_of_the_border_pixels():
    corners = torch.tensor([[-0.5, -0.5], [63.5, 63.5], [31.5, 31.5]])
    unit = from_pixels(corners, 64)
    assert unit.tolist() == [[-1, -1], [1, 1], [0, 0]]
    torch.testing.assert_close(to_pixels(unit, 64), corners)
