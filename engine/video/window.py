"""Means over the frames about each frame, while frames go by."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from engine.video.method import Measures
from engine.video.smoothing import kernel

REACH = 2.5
"""Sigmas up to which frames count."""
Item = TypeVar("Item")


class Seen(NamedTuple, Generic[Item]):
    """A frame's number, what goes with it, and how its measures are had; None: not this frame."""

    number: int
    item: Item
    measures: Callable[[], Measures] | None


class Times(NamedTuple):
    """Of n frames: seconds (n,), and the run (n,) of frames that each belongs to, -1 for none."""

    seconds: NDArray[np.float64]
    runs: NDArray[np.int64]


def reach_of(spreads: Mapping[str, float], stride: int, rate: float) -> int:
    """Frames on either side that a mean looks at."""
    if not spreads:
        return 0
    return stride - 1 + int(np.ceil(REACH * max(spreads.values()) * rate))


def stride_of(apart: float, rate: float) -> int:
    """Every how many frames lie up to `apart` seconds between them, at a rate a second."""
    return max(int(apart * rate), 1)


def averaged(
    frames: Iterable[Seen[Item]], times: Times, spreads: Mapping[str, float], reach: int
) -> Iterator[tuple[int, Item, Measures | None]]:
    """Each frame with the means of the measures about it, in its own run; None outside all runs.

    spreads: sigma in seconds for each measure by its name; reach: of `reach_of`. Frames come out
    that much later than they go in.
    """
    known: dict[int, Measures] = {}
    asked: dict[int, Callable[[], Measures]] = {}
    waiting: deque[tuple[int, Item]] = deque()

    def out() -> tuple[int, Item, Measures | None]:
        number, item = waiting.popleft()
        for old in [key for key in (*known, *asked) if key < number - reach]:
            known.pop(old, None)
            asked.pop(old, None)
        run = times.runs[number]
        if run < 0:
            return number, item, None
        near = [
            key
            for key in sorted({*known, *asked})
            if times.runs[key] == run and key <= number + reach
        ]
        for key in near:
            if key in asked:
                known[key] = asked.pop(key)()
        own = [known[key] for key in near]
        return number, item, _means(own, times.seconds[near], times.seconds[number], spreads)

    for frame in frames:
        if frame.measures is not None:
            asked[frame.number] = frame.measures
        waiting.append((frame.number, frame.item))
        while waiting[0][0] + reach <= frame.number:
            yield out()
            if not waiting:
                break
    while waiting:
        yield out()


def _means(
    own: list[Measures], seconds: NDArray[np.float64], at: float, spreads: Mapping[str, float]
) -> Measures:
    means: dict[str, NDArray[np.floating]] = {}
    for name in own[0]:
        weights = kernel(seconds, float(at), spreads[name]).astype(np.float32)
        total = np.zeros(own[0][name].shape, np.float32)
        for weight, measures in zip(weights, own, strict=True):
            if weight > 1e-3:
                total += weight * measures[name]
        means[name] = total
    return means
