"""Boxes (left, top, right, bottom) in pixels: how they overlap and which of them to keep."""

from collections.abc import Sequence

Box = tuple[float, float, float, float]


def area(box: Box) -> float:
    """Area in square pixels, 0 for an empty box."""
    return max(box[2] - box[0], 0.0) * max(box[3] - box[1], 0.0)


def overlap(one: Box, other: Box) -> float:
    """Return the larger of intersection over union and intersection over the smaller box.

    The second detects a box inside a box, which detectors at several scales report.
    """
    left, top = max(one[0], other[0]), max(one[1], other[1])
    shared = area((left, top, min(one[2], other[2]), min(one[3], other[3])))
    if shared == 0:
        return 0.0
    union = area(one) + area(other) - shared
    return max(shared / union, shared / min(area(one), area(other)) - 0.25)


def distinct(boxes: Sequence[Box], scores: Sequence[float], limit: float) -> list[int]:
    """Keep the best-scored box of every cluster; returns indices, best first."""
    kept: list[int] = []
    for index in sorted(range(len(boxes)), key=lambda index: -scores[index]):
        if all(overlap(boxes[index], boxes[other]) < limit for other in kept):
            kept.append(index)
    return kept


def grown(box: Box, margin: float) -> Box:
    """Widen a box on every side by `margin` of its width and height."""
    x, y = (box[2] - box[0]) * margin, (box[3] - box[1]) * margin
    return box[0] - x, box[1] - y, box[2] + x, box[3] + y
