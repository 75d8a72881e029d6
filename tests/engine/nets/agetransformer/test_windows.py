"""Attention in windows: the fused way agrees with one token after another."""

import pytest
import torch
from rounding import assert_equal_but_for_rounding

from engine.nets.agetransformer.v1 import Enlarge, places
from engine.nets.agetransformer.windows import (
    APART,
    attend,
    relative_index,
    shift_mask,
    shift_of,
)


def plainly(qkv, heads, window, shift, bias):
    """Every token asks every token of its window; those that the roll brought in hardly count."""
    b, h, w, channels = qkv.shape
    width = channels // 3 // heads
    rolled = qkv.roll((-shift, -shift), (1, 2))
    output = torch.zeros(b, h, w, channels // 3)

    def region(y, x):
        def band(at, side):
            return (at >= side - window) + (at >= side - shift) if shift else 0

        return band(y, h), band(x, w)

    for top in range(0, h, window):
        for left in range(0, w, window):
            places = [(top + i, left + j) for i in range(window) for j in range(window)]
            for head in range(heads):
                own = slice(head * width, (head + 1) * width)
                q, k, v = (
                    torch.stack([part[:, y, x, own] for y, x in places], 1)
                    for part in rolled.split(channels // 3, dim=-1)
                )
                logits = q @ k.transpose(1, 2) / width**0.5
                if bias is not None:
                    logits = logits + bias[head]
                apart = [[region(*one) != region(*two) for two in places] for one in places]
                logits = logits + torch.tensor(apart) * APART
                seen = logits.softmax(-1) @ v
                for n, (y, x) in enumerate(places):
                    output[:, y, x, own] = seen[:, n]
    return output.roll((shift, shift), (1, 2))


@pytest.mark.parametrize("shift", [0, 2])
@pytest.mark.parametrize("biased", [False, True])
def test_windows_together_are_windows_one_by_one(shift, biased):
    qkv = torch.randn(2, 8, 12, 3 * 8)
    bias = torch.randn(2, 16, 16) if biased else None
    fast = attend(qkv, heads=2, window=4, shift=shift, bias=bias)
    # Two products of 16 tokens and a softmax, whose exponents multiply an error by about 4.
    slow = plainly(qkv, 2, 4, shift, bias)
    assert_equal_but_for_rounding(fast, slow, layers=3, fan_in=16, gain=4)


def test_an_offset_has_one_place_in_the_table():
    index = relative_index(3)
    assert index.shape == (9, 9)
    assert len(index.unique()) == 25
    assert index[0, 1] == index[4, 5] != index[1, 0]


def test_one_window_is_never_shifted():
    assert shift_of(8, 8) == (8, 0)
    assert shift_of(4, 8) == (4, 0)
    assert shift_of(16, 8) == (8, 4)


def test_what_is_kept_from_an_inference_serves_a_training():
    shift_mask.cache_clear()
    qkv = torch.randn(1, 8, 8, 24)
    with torch.inference_mode():
        attend(qkv, heads=1, window=4, shift=2)
    learned = qkv.clone().requires_grad_(True)
    attend(learned, heads=1, window=4, shift=2).square().sum().backward()
    assert learned.grad is not None
    assert learned.grad.isfinite().all()


def test_places_kept_from_an_inference_serve_a_training():
    places.cache_clear()
    enlarge, map_ = Enlarge(8, 8), torch.randn(1, 4, 4, 8)
    with torch.inference_mode():
        enlarge(map_)
    enlarge(map_).square().sum().backward()
    assert enlarge.alpha.grad is not None
