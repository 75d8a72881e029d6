"""Zero-insertion, FIR filtering and decimation of images in one step (StyleGAN2, appendix B).

The filter is a true convolution: the kernel is flipped before it slides.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

Pair = tuple[int, int]  # along y, along x


def fir_kernel(taps: Sequence[float], *, gain: float = 1.0) -> Tensor:
    """(n, n) outer product of `taps` with itself, its sum equal to `gain`."""
    row = torch.tensor(taps, dtype=torch.float32)
    square = torch.outer(row, row)
    return square * (gain / square.sum())


def upfirdn2d(
    x: Tensor, kernel: Tensor, *, up: int = 1, down: int = 1, pad: tuple[int, int] = (0, 0)
) -> Tensor:
    """Filter `x` (b, c, h, w) with `kernel`; every channel and both axes are treated alike.

    `kernel` is (kh, kw), or (k,) for the separable filter `outer(kernel, kernel)`, which then runs
    as two one-dimensional passes. `pad` is what to add before and after each axis, in samples of
    the zero-inserted grid; negative values crop. Returns
    (b, c, (h*up + sum(pad) - kh)//down + 1, likewise w).
    """
    if kernel.dim() == 1:
        rows = _filter(x, kernel[None], (1, up), (1, down), ((0, 0), pad))
        return _filter(rows, kernel[:, None], (up, 1), (down, 1), (pad, (0, 0)))
    return _filter(x, kernel, (up, up), (down, down), (pad, pad))


def _filter(x: Tensor, kernel: Tensor, up: Pair, down: Pair, pad: tuple[Pair, Pair]) -> Tensor:
    """One depthwise convolution, transposed where samples are inserted."""
    channels = x.shape[1]
    weight = kernel.to(x.dtype).expand(channels, 1, *kernel.shape)
    if up == (1, 1):
        margin = tuple(before if before == after >= 0 else 0 for before, after in pad)
        rest = [p if m == 0 else (0, 0) for p, m in zip(pad, margin, strict=True)]
        x = _padded(x, rest)
        return F.conv2d(x, weight.flip(2, 3), stride=down, padding=margin, groups=channels)
    # A transposed convolution is zero-insertion followed by the true convolution, uncropped:
    # what remains is to crop (or pad) its ends.
    taps = kernel.shape
    crop = [(k - 1 - p[0], k - u - p[1]) for k, u, p in zip(taps, up, pad, strict=True)]
    margin = [max(0, min(ends)) for ends in crop]
    y = F.conv_transpose2d(x, weight, stride=up, padding=margin, groups=channels)
    y = _padded(y, [(m - c[0], m - c[1]) for m, c in zip(margin, crop, strict=True)])
    return y[:, :, :: down[0], :: down[1]]


def _padded(x: Tensor, pad: Sequence[Pair]) -> Tensor:
    rows, columns = pad
    return x if rows == columns == (0, 0) else F.pad(x, (*columns, *rows))


def upfirdn2d_reference(
    x: Tensor, kernel: Tensor, *, up: int = 1, down: int = 1, pad: tuple[int, int] = (0, 0)
) -> Tensor:
    """The definition of `upfirdn2d`, step by step, every channel a picture of its own."""
    if kernel.dim() == 1:
        kernel = torch.outer(kernel, kernel)
    batch, channels, height, width = x.shape
    sparse = x.new_zeros(batch, channels, height, up, width, up)
    sparse[:, :, :, 0, :, 0] = x
    sparse = F.pad(sparse.reshape(batch, channels, height * up, width * up), (*pad, *pad))
    planes = sparse.reshape(batch * channels, 1, *sparse.shape[2:])
    full = F.conv2d(planes, kernel.to(x.dtype).flip(0, 1)[None, None])
    return full.reshape(batch, channels, *full.shape[2:])[:, :, ::down, ::down]
