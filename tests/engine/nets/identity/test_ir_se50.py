"""ArcFace embeds the published crop into unit vectors."""

import pytest
import torch
import torch.nn.functional as F
from rounding import assert_equal_but_for_rounding

from engine.core.errors import WeightsError
from engine.nets.identity.ir_se50 import ArcFace, ArcFaceSpec

SMALL = ArcFaceSpec(size=112, embedding=24, widths=(4, 8, 12, 16), depths=(1, 1, 2, 1))
DEEP = {"layers": 22, "fan_in": 9 * 16, "gain": 4}
"""Four products in each of five units and two more, of up to 9 x 16 inputs; the norms divide by
spreads below 1.
"""


@pytest.fixture
def net(fill):
    with torch.no_grad():
        return fill(ArcFace(SMALL)).eval().requires_grad_(False)


def test_embeddings_have_length_one(net):
    embedding = net(torch.randn(3, 3, 112, 112))
    assert embedding.shape == (3, 24)
    torch.testing.assert_close(embedding.norm(dim=1), torch.ones(3))


def test_a_face_is_embedded_alike_alone_and_in_a_batch(net):
    faces = torch.randn(3, 3, 112, 112)
    assert_equal_but_for_rounding(net(faces)[1:2], net(faces[1:2]), **DEEP)


def test_only_the_published_crop_of_a_portrait_counts(net):
    portrait = torch.randn(1, 3, 256, 256)
    by_hand = net(F.adaptive_avg_pool2d(portrait[:, :, 35:223, 32:220], 112))
    assert_equal_but_for_rounding(net.face_embedding(portrait), by_hand, **DEEP)
    framed = portrait.clone()
    framed[:, :, :35] = framed[:, :, 223:] = framed[..., :32] = framed[..., 220:] = 9
    assert torch.equal(net.face_embedding(framed), net.face_embedding(portrait))


def test_a_large_portrait_is_averaged_down(net):
    portrait = torch.randn(1, 3, 256, 256)
    large = portrait.repeat_interleave(4, dim=2).repeat_interleave(4, dim=3)
    small = net.face_embedding(portrait)
    assert_equal_but_for_rounding(net.face_embedding(large), small, **DEEP)


@pytest.mark.parametrize("shape", [(1, 3, 112, 112), (1, 3, 256, 512)], ids=str)
def test_what_is_no_portrait_is_refused(net, shape):
    with pytest.raises(ValueError, match="multiple of 256"):
        net.face_embedding(torch.zeros(shape))


def test_the_shape_read_off_a_state_dict_is_the_one_built(net):
    assert ArcFaceSpec.of(net.state_dict()) == SMALL
    with torch.device("meta"):
        assert ArcFaceSpec.of(ArcFace().state_dict()) == ArcFaceSpec()


def test_a_state_dict_comes_back_as_the_same_network(net):
    x = torch.randn(1, 3, 112, 112)
    assert torch.equal(ArcFace.from_state(net.state_dict())(x), net(x))


def test_a_state_dict_of_something_else_is_refused():
    with pytest.raises(WeightsError, match="no ArcFace weights"):
        ArcFaceSpec.of({"weight": torch.zeros(1)})
