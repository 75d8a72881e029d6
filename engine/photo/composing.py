"""Laying the change of a working copy into the photograph, at the photograph's own resolution."""

from functools import reduce

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.photo.frame import Floats, Pixels

UNSEEN = 0.1
"""Levels of a change, and pixels of a shift, that nobody sees."""
FINEST = 25.0
"""Levels of detail finer than the working copy that a photograph hardly exceeds."""
BORDER = 2
"""Pixels beyond a change that cubic sampling reads."""
STRIP = 512
"""Rows that are composed at a time."""


def compose(part: Pixels, rgb: Floats, change: Floats, factor: Floats, moved: Floats) -> None:
    """Change and bend a part (h, w, 3) of a photograph in place.

    The others are at working resolution: rgb, the copy itself; change, of its levels (h', w', 3);
    factor (h', w') of detail that is finer than it; moved: whence each pixel comes, offsets
    (h', w', 2) in pixels of the photograph. Only the rectangle that changes visibly is computed.
    """
    most = np.maximum(_largest(change), FINEST * np.abs(factor - 1))
    seen: Floats = np.maximum(most, _largest(moved)) > UNSEEN
    if not seen.any():
        return
    size, reach = part.shape[:2], int(np.ceil(np.abs(moved).max())) + BORDER
    rows, columns = (
        _span(np.asarray(seen.any(axis=1 - axis)), size[axis] / seen.shape[axis], reach, size[axis])
        for axis in (0, 1)
    )
    window = part[rows, columns]
    # part + change + (part - rgb) (factor - 1), of which all but `part` is smooth.
    finer = np.zeros_like(factor) if seen.shape == size else factor - 1
    smooth = cv2.merge(
        [own - level * finer for own, level in zip(cv2.split(change), cv2.split(rgb), strict=True)]
    )
    height, width = window.shape[:2]
    edited = np.empty_like(window)
    strips = [slice(start, min(start + STRIP, height)) for start in range(0, height, STRIP)]
    for strip in strips:
        field = _enlarged(smooth, size, rows.start, strip, columns)
        finest = _enlarged(finer, size, rows.start, strip, columns) + 1
        kept = cv2.multiply(window[strip], cv2.merge([finest] * 3), dtype=cv2.CV_32F)
        edited[strip] = cv2.add(kept, np.ascontiguousarray(field), dtype=cv2.CV_8U)
    x = np.arange(width, dtype=np.float32)[None]
    for strip in strips:
        offset = _enlarged(moved, size, rows.start, strip, columns)
        y = np.arange(strip.start, strip.stop, dtype=np.float32)[:, None]
        window[strip] = cv2.remap(
            edited,
            x + offset[..., 0],
            y + offset[..., 1],
            cv2.INTER_CUBIC,
            borderMode=cv2.BORDER_REPLICATE,
        )


def _largest(field: Floats) -> Floats:
    """The largest magnitude (h, w) over the last axis of a field."""
    return np.asarray(reduce(np.maximum, cv2.split(np.abs(field))), np.float32)


def _span(seen: NDArray[np.bool_], scale: float, reach: int, length: int) -> slice:
    """Pixels of the photograph along an axis that change, and `reach` beyond."""
    first, last = np.flatnonzero(seen)[[0, -1]]
    start, stop = int((first - 1) * scale) - reach, int((last + 2) * scale) + reach
    return slice(max(start, 0), min(stop, length))


def _enlarged(
    field: Floats, size: tuple[int, int], above: int, strip: slice, columns: slice
) -> Floats:
    """Rows and columns of a field enlarged linearly to size (height, width).

    above: the row at which strips begin to count.
    """
    start, stop = above + strip.start, above + strip.stop
    if field.shape[:2] == size:
        return field[start:stop, columns]
    down, across = field.shape[0] / size[0], field.shape[1] / size[1]
    first = max(int(np.floor((start + 0.5) * down - 0.5)), 0)
    last = min(int(np.ceil((stop + 0.5) * down + 0.5)) + 1, field.shape[0])
    left, top = (columns.start + 0.5) * across - 0.5, (start + 0.5) * down - 0.5 - first
    return np.asarray(
        cv2.warpAffine(
            field[first:last],
            np.array([[across, 0, left], [0, down, top]], np.float32),
            (columns.stop - columns.start, stop - start),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
    )
