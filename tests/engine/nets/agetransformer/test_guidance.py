"""Captions guide an AgeTransformer of either version through a gate that starts closed."""

from dataclasses import replace

import pytest
import torch
from rounding import assert_equal_but_for_rounding

from engine.nets.agetransformer.guidance import Guide
from engine.nets.agetransformer.v1 import PublishedSpec, PublishedTransformer
from engine.nets.agetransformer.v2 import SlimSpec, SlimTransformer

WIDTH = 5
SLIM = SlimSpec(
    size=32, anchors=3, stem=4, widths=(8, 32), decoder_widths=(8, 32), blocks=1, convolved=1,
    style=8, shared_channels=4, window=4,
)  # fmt: skip
PUBLISHED = PublishedSpec(classes=3, style=8, encoder=(12, 8), stages=(16, 16))


def slim(guided=0):
    return SlimTransformer(replace(SLIM, guided=guided)).eval()


def published(guided=0):
    return PublishedTransformer(replace(PUBLISHED, guided=guided)).eval()


@pytest.fixture(params=[slim, published], ids=["v2", "v1"])
def build(request):
    return request.param


@pytest.fixture
def given():
    """Two faces, two of three ages, and captions."""
    captions = torch.cat([torch.randn(2, 2 * WIDTH) * 3, torch.ones(2, 1)], dim=1)
    return torch.rand(2, 3, 32, 32) * 2 - 1, torch.eye(3)[None, :2], captions


def opened(fill, build):
    with torch.no_grad():
        return fill(build(WIDTH), 0.1 if build is slim else 0.3)


@torch.no_grad()
def test_a_closed_gate_draws_the_very_picture_of_a_network_without_one(fill, build, given):
    photo, weights, captions = given
    plain = fill(build(), 0.3)
    guided = build(WIDTH)
    found = guided.load_state_dict(plain.state_dict(), strict=False)
    assert set(found.missing_keys) == {"guide.gate", "guide.project.weight"}
    assert not found.unexpected_keys
    assert guided.guide.gate.item() == 0
    assert guided.guide.project.weight.any()
    assert torch.equal(guided(photo, weights, captions), plain(photo, weights))


def test_a_guide_changes_nothing_of_how_the_other_weights_are_drawn(build):
    torch.manual_seed(3)
    plain = build().state_dict()
    torch.manual_seed(3)
    guided = build(WIDTH).state_dict()
    assert all(torch.equal(guided[key], value) for key, value in plain.items())


@torch.no_grad()
def test_an_open_gate_makes_the_output_depend_on_captions(fill, build, given):
    photo, weights, captions = given
    net, same = opened(fill, build), photo[:1].expand(2, -1, -1, -1)
    one, other = net(same, weights, captions)
    assert (one - other).abs().max() > 0.01 * one.abs().max()
    alone = net(photo[1:], weights[:, :1], captions[1:])
    together = net(photo, weights, captions)
    assert (together[1:, :1] - alone).abs().max() < 1e-3 * alone.abs().max()


@torch.no_grad()
def test_a_missing_caption_is_no_guidance_whatever_was_learned(fill, build, given):
    photo, weights, captions = given
    net = opened(fill, build)
    missing = torch.zeros_like(captions)
    assert torch.equal(net(photo, weights, missing), net(photo, weights))
    some = torch.cat([captions[:1], missing[:1]])
    assert torch.equal(net(photo, weights, some)[1], net(photo, weights, missing)[1])


@torch.no_grad()
def test_the_width_of_the_embeddings_is_read_off_the_weights(fill, build, given):
    photo, weights, captions = given
    net = opened(fill, build)
    place = {"size": 32, "window": 4} if build is slim else {}
    again = type(net).from_state(net.state_dict(), **place)
    assert again.spec.guided == WIDTH
    assert torch.equal(again(photo, weights, captions), net(photo, weights, captions))
    old = {key: value for key, value in net.state_dict().items() if not key.startswith("guide.")}
    assert type(net).from_state(old, **place).spec.guided == 0


def test_the_gate_opens_first_and_the_projection_follows(build, given):
    photo, weights, captions = given
    net = build(WIDTH)
    for last in (getattr(net, "flow", None), getattr(net, "change", None)):
        if last is not None:
            torch.nn.init.normal_(last.weight, std=0.1)
    slopes = []
    for gate in (0.0, 0.5):
        net.zero_grad()
        net.guide.gate.data.fill_(gate)
        net(photo, weights, captions).square().mean().backward()
        slopes.append(
            (net.guide.gate.grad.any().item(), net.guide.project.weight.grad.any().item())
        )
    assert slopes == [(True, False), (True, True)]


def test_the_scale_of_a_tower_does_not_count():
    guide, halves = Guide(WIDTH, 4), torch.randn(3, 2 * WIDTH)
    guide.gate.data.fill_(1.0)
    larger = torch.cat([100 * halves[:, :WIDTH], 0.5 * halves[:, WIDTH:]], dim=1)
    outputs = [guide(torch.cat([one, torch.ones(3, 1)], dim=1)) for one in (halves, larger)]
    assert_equal_but_for_rounding(outputs[0], outputs[1], layers=4, fan_in=2 * WIDTH + 1)


def test_captions_of_another_width_or_for_nobody_are_refused(build, given):
    photo, weights, captions = given
    with pytest.raises(ValueError, match=r"captions are \(n, 11\) here, not \(2, 10\)"):
        build(WIDTH)(photo, weights, captions[:, 1:])
    with pytest.raises(ValueError, match="takes no captions"):
        build()(photo, weights, captions)
