"""A frame with a change: only what changes is computed anew, the rest keeps its every bit.

The change of the RGB picture is carried to the luma and chroma planes that the clip stores, at
their own depth, range and subsampling: the background of a frame is the decoded one, and ten bits
stay ten bits.
"""

from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.faces.rotation import Pixels
from engine.video.clip import BT601, BT709, BT2020, FCC, SMPTE240M, Clip, matrix_of
from engine.video.pyav import pyav

if TYPE_CHECKING:
    from av.video.frame import VideoFrame


class Layout(NamedTuple):
    """How planes are stored: chroma pixels to a luma pixel across and down, and bits."""

    across: int
    down: int
    bits: int


LAYOUTS = {
    "yuv420p": Layout(2, 2, 8),
    "yuv422p": Layout(2, 1, 8),
    "yuv444p": Layout(1, 1, 8),
    "yuv420p10le": Layout(2, 2, 10),
    "yuv422p10le": Layout(2, 1, 10),
    "yuv444p10le": Layout(1, 1, 10),
}
KR_KB = {
    BT601: (0.299, 0.114),
    BT709: (0.2126, 0.0722),
    BT2020: (0.2627, 0.0593),
    FCC: (0.30, 0.11),
    SMPTE240M: (0.212, 0.087),
}

Plane = NDArray[np.unsignedinteger]


def stored_format(clip: Clip) -> str:
    """The pixel format that a clip is written in: its own where it is a usual one.

    Odd sides need chroma at every pixel.
    """
    name = clip.pixel_format.replace("yuvj", "yuv")
    plain = "yuv444p" if clip.width % 2 or clip.height % 2 else "yuv420p"
    if name not in LAYOUTS:
        return plain + "10le" if ("10" in name and "yuv" in name) or name == "p010le" else plain
    layout = LAYOUTS[name]
    if clip.width % layout.across or clip.height % layout.down:
        return "yuv444p10le" if layout.bits == 10 else "yuv444p"
    return name


class Painter:
    """Writes changed frames of a clip."""

    def __init__(self, clip: Clip) -> None:
        self.clip = clip
        self.format = stored_format(clip)
        self.layout = LAYOUTS[self.format]
        kr, kb = KR_KB[matrix_of(clip)]
        luma = np.array([kr, 1 - kr - kb, kb])
        blue = (np.array([0, 0, 1.0]) - luma) / (2 * (1 - kb))
        red = (np.array([1.0, 0, 0]) - luma) / (2 * (1 - kr))
        step = 2.0 ** (self.layout.bits - 8)
        full = clip.colours.full_range
        ranges = np.array([1.0, 1.0, 1.0]) if full else np.array([219, 224, 224]) / 255
        self._matrix = (np.stack([luma, blue, red]) * ranges[:, None] * step).astype(np.float32)
        self.black, self.white = (0, 255 * step) if full else (16 * step, 235 * step)
        self.neutral = 128 * step

    def planes(self, picture: "VideoFrame") -> list[Plane]:
        """The planes of a frame as stored, copies that may be changed."""
        if picture.format.name.replace("yuvj", "yuv") != self.format:
            picture = picture.reformat(format=self.format)
        kind = np.uint16 if self.layout.bits > 8 else np.uint8
        planes: list[Plane] = []
        for plane in picture.planes:
            rows = np.frombuffer(memoryview(plane), kind).reshape(plane.height, -1)
            planes.append(rows[:, : plane.width].copy())
        return planes

    def change(self, planes: list[Plane], before: Pixels, after: Pixels) -> None:
        """Add to planes what differs between two upright RGB pictures (h, w, 3) of the frame."""
        one, other = (np.rot90(picture, -self.clip.turns) for picture in (before, after))
        differs = one != other
        height, width = differs.shape[:2]
        flat = differs.reshape(height, -1)  # numpy is slow along axes as short as the colours
        rows = np.flatnonzero(flat.any(axis=1))
        columns = np.flatnonzero(flat.any(axis=0).reshape(width, -1).any(axis=1))
        if not len(rows):
            return
        across, down = self.layout.across, self.layout.down
        top, left = rows[0] // down * down, columns[0] // across * across
        bottom = min(-(-(rows[-1] + 1) // down) * down, height)
        right = min(-(-(columns[-1] + 1) // across) * across, width)
        box = np.s_[top:bottom, left:right]
        change = np.ascontiguousarray(other[box], np.float32) - one[box]
        luma, blue, red = self._matrix
        self._add(planes[0][box], change @ luma)
        small = np.s_[top // down : bottom // down, left // across : right // across]
        size = (right - left) // across, (bottom - top) // down
        coarse = cv2.resize(change, size, interpolation=cv2.INTER_AREA)
        self._add(planes[1][small], coarse @ blue)
        self._add(planes[2][small], coarse @ red)

    def frame(self, planes: list[Plane], ticks: int) -> "VideoFrame":
        """A frame of planes with its time stamp and the colours of the clip."""
        av, clip = pyav(), self.clip
        frame = av.VideoFrame(clip.width, clip.height, self.format)
        for plane, values in zip(frame.planes, planes, strict=True):
            rows = np.zeros((plane.height, plane.line_size // values.itemsize), values.dtype)
            rows[:, : values.shape[1]] = values
            plane.update(rows)
        frame.pts, frame.time_base = ticks, clip.time_base
        frame.color_range = 2 if clip.colours.full_range else clip.colours.range_code
        frame.colorspace = clip.colours.matrix
        frame.color_primaries = clip.colours.primaries
        frame.color_trc = clip.colours.transfer
        return frame

    def _add(self, part: Plane, change: NDArray[np.float32]) -> None:
        most = 2**self.layout.bits - 1
        part[:] = np.clip(np.rint(part + change), 0, most).astype(part.dtype)
