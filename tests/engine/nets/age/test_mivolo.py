"""MiVOLO sees a face, or a face beside a body, and writes ages on its checkpoint's scale."""

import pytest
import torch
import torch.nn.functional as F

from engine.core.errors import WeightsError
from engine.nets.age.mivolo import (
    IMAGENET_DEVIATION,
    IMAGENET_MEAN,
    AgeScale,
    CrossAttention,
    MiVolo,
    MiVoloSpec,
    RelativePosition,
    imagenet,
)

SCALE = AgeScale(low=1.0, high=95.0, middle=48.0)


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(0)
    return MiVolo(MiVoloSpec(size=64)).eval().requires_grad_(False)


def test_position_logits_depend_on_distance_alone():
    table = RelativePosition(side=3, channels=5)
    query = torch.randn(2, 9, 5)
    logits = table(query)
    for a in range(9):
        for b in range(9):
            down, across = b // 3 - a // 3 + 2, b % 3 - a % 3 + 2
            expected = query[:, a] @ (table.height_rel[down] + table.width_rel[across])
            torch.testing.assert_close(logits[:, a, b], expected)


def test_the_face_asks_the_body_and_the_body_asks_the_face():
    cross = CrossAttention(channels=4, side=3).requires_grad_(False)
    face, body = torch.randn(2, 2, 4, 3, 3)

    def split(conv, x):
        return conv(x).flatten(2).transpose(1, 2).split(4, dim=2)

    def ask(query, key, value):
        # By torch's own attention, whose mask is added to the scaled logits.
        return F.scaled_dot_product_attention(query, key, value, attn_mask=cross.pos_embed(query))

    face_q, face_k, face_v = split(cross.qkv_f, face)
    body_q, body_k, body_v = split(cross.qkv_p, body)
    both = torch.cat([ask(face_q, body_k, body_v), ask(body_q, face_k, face_v)], dim=2)
    both = both.transpose(1, 2).reshape(2, 8, 3, 3)
    torch.testing.assert_close(cross(face, body), cross.mlp(cross.norm(both)))


def test_the_answer_is_the_class_token_plus_half_the_loudest_patch(net):
    planes = torch.randn(2, 6, 64, 64)
    tokens = net.forward_features(planes)
    expected = net.head(tokens[:, 0]) + 0.5 * net.aux_head(tokens[:, 1:]).amax(dim=1)
    torch.testing.assert_close(net(planes), expected)


def test_face_and_body_both_count(net):
    face, body = torch.randn(2, 1, 3, 64, 64)
    together = net(torch.cat([face, body], dim=1))
    assert not torch.allclose(together, net(torch.cat([face, -body], dim=1)))
    assert not torch.allclose(together, net(torch.cat([-face, body], dim=1)))


def test_a_missing_body_is_a_black_picture(net):
    face = torch.rand(2, 3, 64, 64) * 2 - 1
    black = torch.full_like(face, -1)
    torch.testing.assert_close(net.age(face, SCALE), net.age(face, SCALE, body=black))
    mean, deviation = torch.tensor(IMAGENET_MEAN), torch.tensor(IMAGENET_DEVIATION)
    torch.testing.assert_close(imagenet(black)[0, :, 0, 0], -mean / deviation)


def test_ages_are_read_off_the_checkpoints_scale(net):
    face = torch.rand(1, 3, 64, 64) * 2 - 1
    planes = torch.cat([imagenet(face), imagenet(torch.full_like(face, -1))], dim=1)
    torch.testing.assert_close(net.age(face, SCALE), net(planes)[:, 2] * 94 + 48)


@pytest.mark.parametrize(
    ("spec", "keys", "parameters"),
    [
        (MiVoloSpec(), 290, 27_432_414),
        (MiVoloSpec(size=384), 290, 28_761_054),
        (MiVoloSpec(with_body=False), 260, 25_864_350),
        (MiVoloSpec(with_body=False, outputs=1), 260, None),
    ],
    ids=str,
)
def test_the_shape_read_off_a_state_dict_is_the_one_built(spec, keys, parameters):
    with torch.device("meta"):
        net = MiVolo(spec)
    assert MiVoloSpec.of(net.state_dict()) == spec
    assert len(net.state_dict()) == keys
    if parameters is not None:
        assert sum(p.numel() for p in net.parameters()) == parameters


def test_a_state_dict_comes_back_as_the_same_network(net):
    planes = torch.randn(1, 6, 64, 64)
    again = MiVolo.from_state(net.state_dict())
    assert torch.equal(again(planes), net(planes))
    assert not again.training


def test_a_state_dict_of_something_else_is_refused():
    with pytest.raises(WeightsError, match="no MiVOLO weights"):
        MiVoloSpec.of({"weight": torch.zeros(1)})
