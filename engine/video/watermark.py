"""A line in the corner of every frame that says the clip is synthetic, where it is asked for."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from engine.video.clip import Clip
from engine.video.planes import Painter, Plane

HEIGHT = 0.035
"""Height of the letters, of the shorter side."""
SHARE = 0.65
"""How much the letters cover what is behind them, and their shade half as much."""


class Watermark:
    """Draws a text into the planes of frames."""

    def __init__(self, clip: Clip, painter: Painter, text: str) -> None:
        width, height = (clip.height, clip.width) if clip.turns % 2 else (clip.width, clip.height)
        letters = np.rot90(_letters(width, height, text), -clip.turns)
        shade = np.rot90(_letters(width, height, text, shifted=True), -clip.turns)
        rows = np.flatnonzero((letters + shade).any(axis=1))
        columns = np.flatnonzero((letters + shade).any(axis=0))
        across, down = painter.layout.across, painter.layout.down
        self._top, self._left = rows[0] // down * down, columns[0] // across * across
        box = np.s_[self._top : rows[-1] + 1, self._left : columns[-1] + 1]
        self._letters, self._shade = letters[box], shade[box] / np.float32(2)
        self._painter = painter

    def draw(self, planes: list[Plane]) -> None:
        """Draw into the planes of a frame."""
        painter, layout = self._painter, self._painter.layout
        _cover(planes[0], self._shade, painter.black, self._top, self._left)
        _cover(planes[0], self._letters, painter.white, self._top, self._left)
        small = self._letters[:: layout.down, :: layout.across]
        at = self._top // layout.down, self._left // layout.across
        for plane in planes[1:]:
            _cover(plane, small, painter.neutral, *at)


def _letters(width: int, height: int, text: str, *, shifted: bool = False) -> NDArray[np.float32]:
    """How much each pixel (h, w) is covered by the text, or by its shade."""
    size = max(round(min(width, height) * HEIGHT), 8)
    font = ImageFont.load_default(size=size)
    picture = Image.new("L", (width, height))
    away = max(size // 12, 1) if shifted else 0
    place = size // 2 + away, height - 2 * size + away
    ImageDraw.Draw(picture).text(place, text, fill=255, font=font)
    return np.asarray(picture, np.float32) * np.float32(SHARE / 255)


def _cover(plane: Plane, share: NDArray[np.float32], value: float, top: int, left: int) -> None:
    part = plane[top : top + share.shape[0], left : left + share.shape[1]]
    share = share[: part.shape[0], : part.shape[1]]
    part[:] = np.rint(part + (value - part.astype(np.float32)) * share).astype(part.dtype)
