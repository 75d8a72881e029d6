"""Attention inside windows, half of the heads in shifted ones (StyleSwin, Zhang et al. 2022)."""

from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

APART = -100.0  # added to the logit of two tokens that only the roll brought together (Swin, 3.2)


@lru_cache(maxsize=8)
@torch.inference_mode(mode=False)  # kept ones may serve a training next
def relative_index(side: int) -> Tensor:
    """Which entry of a table of offsets two tokens of a window share: int64 (side^2, side^2)."""
    places = torch.stack(torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij"))
    places = places.flatten(1)
    down, across = places[:, :, None] - places[:, None, :] + side - 1
    return down * (2 * side - 1) + across


@lru_cache(maxsize=32)
@torch.inference_mode(mode=False)  # kept ones may serve a training next
def shift_mask(height: int, width: int, window: int, shift: int) -> Tensor:
    """0 or `APART` between the tokens of every window of a rolled map: (windows, L, L)."""
    region = torch.zeros(1, height, width, 1)
    bands = (slice(0, -window), slice(-window, -shift), slice(-shift, None))
    for number, (rows, columns) in enumerate((r, c) for r in bands for c in bands):
        region[:, rows, columns] = number
    parts = _cut(region, window)[0, :, :, 0]
    return torch.where(parts[:, None] == parts[:, :, None], 0.0, APART)


def attend(
    qkv: Tensor, *, heads: int, window: int, shift: int = 0, bias: Tensor | None = None
) -> Tensor:
    """Attention inside the windows of a map.

    qkv: (b, h, w, 3 * c), queries, keys and values one after another; bias: (heads, L, L) with
    L = window^2, added to the logits; returns (b, h, w, c). Sides are multiples of the window.
    """
    batch, height, width, channels = qkv.shape
    length = window**2
    if shift:
        qkv = qkv.roll((-shift, -shift), dims=(1, 2))
    parts = _cut(qkv, window)
    count = parts.shape[1]
    # Windows stand among the heads: then one mask serves the whole batch.
    parts = parts.view(batch, count, length, 3, heads, channels // 3 // heads)
    q, k, v = parts.permute(3, 0, 1, 4, 2, 5).reshape(3, batch, count * heads, length, -1).unbind()
    mask = None if bias is None else bias.expand(count, -1, -1, -1)
    if shift:
        apart = shift_mask(height, width, window, shift).to(q.device)[:, None]
        mask = apart.expand(-1, heads, -1, -1) if mask is None else mask + apart
    if mask is not None:
        mask = mask.reshape(1, count * heads, length, length)
    attended = _attended(q, k, v, mask)
    attended = attended.view(batch, count, heads, length, -1).transpose(2, 3)
    attended = attended.reshape(batch, count, length, -1).to(qkv.dtype)
    joined = _joined(attended, height, width, window)
    return joined.roll((shift, shift), dims=(1, 2)) if shift else joined


def _attended(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
    """Attention (b, n, L, d); on a CPU in float32, whose backward pass is ten times as fast."""
    if q.device.type != "cpu":
        mask = None if mask is None else mask.to(q.dtype)
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    with torch.autocast("cpu", enabled=False):
        return F.scaled_dot_product_attention(q.float(), k.float(), v.float(), attn_mask=mask)


def shift_of(side: int, window: int) -> tuple[int, int]:
    """The window and its shift on a map of `side`: one window never shifts."""
    return (side, 0) if side <= window else (window, window // 2)


def _cut(x: Tensor, window: int) -> Tensor:
    """(b, h, w, c) to (b, windows, window^2, c)."""
    b, h, w, c = x.shape
    x = x.view(b, h // window, window, w // window, window, c).transpose(2, 3)
    return x.reshape(b, -1, window**2, c)


def _joined(x: Tensor, height: int, width: int, window: int) -> Tensor:
    b, c = x.shape[0], x.shape[-1]
    x = x.view(b, height // window, width // window, window, window, c).transpose(2, 3)
    return x.reshape(b, height, width, c)
