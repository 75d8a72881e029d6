"""The style encoder in both layouts, its shape read off a state dict."""

import pytest
import torch

from engine.core.errors import WeightsError
from engine.nets.encoders.gradual import EncoderSpec, GradualStyleEncoder, with_age_plane

SMALL = {"n_styles": 8, "size": 64, "style_width": 10, "widths": (4, 8, 12, 16)}
PUBLISHED = EncoderSpec(planes=4, depths=(1, 1, 2, 1), **SMALL)
FORK = EncoderSpec(planes=3, layout="fork", depths=(2, 1, 1, 1), **SMALL)


def hollow(spec):
    with torch.device("meta"):
        return GradualStyleEncoder(spec)


@pytest.mark.parametrize("spec", [PUBLISHED, FORK], ids=["published", "fork"])
def test_codes_have_one_vector_per_style(fill, spec):
    with torch.no_grad():
        net = fill(GradualStyleEncoder(spec)).eval()
        assert net(torch.randn(2, spec.planes, 64, 64)).shape == (2, 8, 10)


@pytest.mark.parametrize("spec", [PUBLISHED, FORK], ids=["published", "fork"])
def test_the_shape_read_off_a_state_dict_is_the_one_built(spec):
    assert EncoderSpec.of(hollow(spec).state_dict(), size=64) == spec


def test_the_published_encoder_has_the_published_shape():
    net = hollow(EncoderSpec(planes=4))
    convs = [sum(key.endswith("weight") for key in head.convs.state_dict()) for head in net.styles]
    assert convs == [4] * 3 + [5] * 4 + [6] * 11
    assert sum(p.numel() for p in net.parameters()) == pytest.approx(267.1e6, rel=1e-3)


def test_the_forks_encoder_has_one_more_convolution_per_head():
    net = hollow(EncoderSpec(planes=4, layout="fork"))
    state = net.state_dict()
    assert "styles.0.convs.8.weight" in state
    assert "styles.3.convs.10.weight" in state
    assert "styles.17.convs.12.weight" in state
    assert sum(p.numel() for p in net.parameters()) == pytest.approx(309.6e6, rel=1e-3)
    assert EncoderSpec.of(state).layout == "fork"


@pytest.mark.parametrize(("layout", "finest"), [("published", 64), ("fork", 128)])
def test_levels_have_the_published_sizes(layout, finest):
    net = hollow(EncoderSpec(layout=layout))
    fine, middle, coarse = net.pyramid(torch.empty(1, 3, 256, 256, device="meta"))
    assert fine.shape == (1, 512, finest, finest)
    assert middle.shape == (1, 512, finest // 2, finest // 2)
    assert coarse.shape == (1, 512, finest // 4, finest // 4)


def test_the_age_is_a_constant_plane_in_centuries():
    photo = torch.randn(3, 3, 4, 4)
    planes = with_age_plane(photo, torch.tensor([0, 40, 100]))
    assert torch.equal(planes[:, :3], photo)
    expected = torch.tensor([0, 0.4, 1]).view(3, 1, 1).expand(3, 4, 4)
    torch.testing.assert_close(planes[:, 3], expected)


def test_a_state_dict_comes_back_as_the_same_network(fill):
    with torch.no_grad():
        net = fill(GradualStyleEncoder(PUBLISHED)).eval()
        again = GradualStyleEncoder.from_state(net.state_dict(), size=64)
        x = torch.randn(1, 4, 64, 64)
        assert torch.equal(again(x), net(x))
    assert not again.training


def test_pictures_of_another_size_are_refused():
    with pytest.raises(ValueError, match=r"\(b, 4, 64, 64\)"):
        hollow(PUBLISHED)(torch.empty(1, 4, 128, 128, device="meta"))


def test_a_renamed_key_is_named():
    state = dict(GradualStyleEncoder(PUBLISHED).state_dict())
    state["latlayer3.weight"] = state.pop("latlayer1.weight")
    with pytest.raises(WeightsError, match=r"`latlayer1.weight` is missing"):
        GradualStyleEncoder.from_state(state, size=64)


def test_a_state_dict_of_something_else_is_refused():
    with pytest.raises(WeightsError, match="no weights of an encoder"):
        EncoderSpec.of({"weight": torch.zeros(1)})


def test_groups_of_equal_width_are_refused():
    with pytest.raises(ValueError, match="width of its own"):
        GradualStyleEncoder(EncoderSpec(widths=(8, 8, 8, 8)))
