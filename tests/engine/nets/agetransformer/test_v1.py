"""The published AgeTransformer: its keys, its counts, and ten ages in one call."""

import pytest
import torch
from rounding import assert_equal_but_for_rounding

from engine.core.errors import WeightsError
from engine.nets.agetransformer.v1 import PublishedSpec, PublishedTransformer, places
from engine.nets.agetransformer.v1_discriminator import (
    PublishedDiscriminator,
    PublishedDiscriminatorSpec,
)

SMALL = PublishedSpec(classes=3, style=8, encoder=(12, 8), stages=(16, 16))
CRITIC = PublishedDiscriminatorSpec(classes=3, channels=(6, 8, 8))


def built(fill, spec=SMALL):
    with torch.no_grad():
        return fill(PublishedTransformer(spec).eval(), 0.3)


def counted(net):
    return sum(parameter.numel() for parameter in net.parameters())


@pytest.fixture
def net(fill):
    return built(fill)


def test_the_published_sizes_are_those_of_the_specification():
    with torch.device("meta"):
        assert counted(PublishedTransformer()) == 77_709_978
        smaller = PublishedTransformer(PublishedSpec(encoder=(512, 512), stages=(512, 512)))
        assert counted(smaller) == 49_873_486
        assert counted(PublishedDiscriminator()) == 32_857_356


@torch.no_grad()
def test_ten_ages_in_one_call_are_the_pictures_of_ten_calls(net):
    photo, weights = torch.rand(2, 3, 32, 32) * 2 - 1, torch.eye(3)[None]
    together = net(photo, weights)
    assert together.shape == (2, 3, 3, 32, 32)
    for age in range(3):
        alone = net(photo[1:], weights[:, age : age + 1])
        # About 60 products on the longest path, of up to 9 x 32 inputs.
        assert_equal_but_for_rounding(together[1:, age], alone[:, 0], layers=60, fan_in=288, gain=2)
    assert (together[:, 0] - together[:, 2]).abs().mean() > 0.01


@torch.no_grad()
def test_an_age_between_two_anchors_is_between_them_in_the_label_alone(net):
    photo = torch.rand(1, 3, 32, 32)
    half = net(photo, torch.tensor([[[0.5, 0.5, 0.0]]]))
    ends = net(photo, torch.eye(3)[None, :2])
    assert all((half[:, 0] - ends[:, at]).abs().max() > 1e-3 for at in (0, 1))


@torch.no_grad()
def test_the_same_face_gives_the_same_pictures_again(net):
    photo, weights = torch.rand(1, 3, 32, 32), torch.eye(3)[None]
    assert torch.equal(net(photo, weights), net(photo, weights))
    net.train()
    assert not torch.equal(net(photo, weights), net(photo, weights))


@torch.no_grad()
def test_a_state_dict_without_buffers_or_with_strange_ones_loads(net):
    photo, weights = torch.rand(1, 3, 32, 32), torch.eye(3)[None]
    state = net.state_dict()
    bare = {key: value for key, value in state.items() if not key.endswith(".kernel")}
    extra = {
        **bare,
        "noises.noise_0": torch.zeros(1, 1, 4, 4),
        "layers.0.blocks.0.attn_mask2": torch.ones(4, 64, 64),
        "layers.0.blocks.0.attn.0.relative_position_index": torch.zeros(64, 64).long(),
        "layers.0.upsample.sin_pos_embed._float_tensor": torch.zeros(1),
        "to_rgbs.0.upsample.kernel": torch.zeros(4, 4),
    }
    for loaded in (state, bare, extra):
        again = PublishedTransformer.from_state(loaded)
        assert again.spec == SMALL
        assert torch.equal(again(photo, weights), net(photo, weights))


@pytest.mark.parametrize(
    "key",
    ["layers.1.blocks.0.qkv.weight", "to_rgb1.bias", "layers.0.upsample.alpha", "style.8.bias"],
)
def test_every_learned_key_counts(net, key):
    state = net.state_dict()
    missing = {name: value for name, value in state.items() if name != key}
    with pytest.raises(WeightsError, match=f"`{key}` is missing"):
        PublishedTransformer.from_state(missing)
    with pytest.raises(WeightsError, match=r"`layers.0.strange` is unexpected"):
        PublishedTransformer.from_state({**state, "layers.0.strange": torch.zeros(1)})
    with pytest.raises(WeightsError, match="no weights of a published AgeTransformer"):
        PublishedTransformer.from_state({"encoder.weight": torch.zeros(1)})


def test_another_size_is_refused(net):
    with pytest.raises(ValueError, match="takes 32 px"):
        net(torch.zeros(1, 3, 64, 64), torch.eye(3)[None])


@pytest.mark.parametrize("batch", [1, 4, 6, 7])
@torch.no_grad()
def test_the_discriminator_takes_any_batch(fill, batch):
    discriminator = fill(PublishedDiscriminator(CRITIC).eval(), 0.3)
    output = discriminator(torch.rand(batch, 3, 16, 16), torch.eye(3)[torch.arange(batch) % 3])
    assert output.logits[0].shape == (batch, 1, 1, 1)
    assert output.ages.shape == (batch, 3)


@torch.no_grad()
def test_the_logit_depends_on_the_target_age(fill):
    discriminator = fill(PublishedDiscriminator(CRITIC).eval(), 0.3)
    picture = torch.rand(1, 3, 16, 16)
    output = [discriminator(picture, torch.eye(3)[[age]]) for age in range(3)]
    assert output[0].logits[0] != output[1].logits[0] != output[2].logits[0]
    assert all(torch.equal(one.ages, output[0].ages) for one in output)
    again = PublishedDiscriminator.from_state(discriminator.state_dict())
    assert again.spec == CRITIC
    assert torch.equal(again(picture, torch.eye(3)[[0]]).logits[0], output[0].logits[0])


def test_positions_count_from_one_and_across_comes_first():
    grid = places(4, 16)
    assert grid.shape == (4, 4, 16)
    assert torch.allclose(grid[2, 0, 0], torch.tensor(1.0).sin())
    assert torch.equal(grid[0, 3, :8], grid[2, 3, :8])
    assert torch.equal(grid[3, 0, 8:], grid[3, 2, 8:])
