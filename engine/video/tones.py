"""Clips of high dynamic range: shown as players show them on a usual screen, by FFmpeg's scaler.

What ages faces knows sRGB alone. FFmpeg's `scale` maps the luminance and the gamut of PQ and HLG
(ITU-R BT.2100) to BT.709 by the peak that the frames note, by a table that takes seconds to make.
"""

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from engine.core.errors import PictureError
from engine.video.pyav import pyav

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

HDR = {16: "PQ", 18: "HLG"}
"""Transfers by FFmpeg's numbers."""
MAPPED = "yuv420p10le"
"""The pixel format that mapped frames have."""
SCALE = (
    "intent=perceptual:out_primaries=bt709:out_transfer=bt709:out_color_matrix=bt709:out_range=tv"
)


class Tones:
    """Maps the frames of one clip, which are alike in size and format."""

    def __init__(self, transfer: int) -> None:
        """transfer: of the clip; frames of another one than HDR stay as they are."""
        self.transfer = transfer
        self._graph: Any = None

    def require(self, first: "VideoFrame") -> None:
        """PictureError where this FFmpeg cannot map frames like the first one."""
        if self.transfer not in HDR:
            return
        av = pyav()
        self._graph = av.filter.Graph()
        like = {"width": first.width, "height": first.height, "format": first.format}
        try:
            filters = [
                self._graph.add_buffer(**like, time_base=first.time_base),
                self._graph.add("scale", SCALE),
                self._graph.add("format", MAPPED),
                self._graph.add("buffersink"),
            ]
            for one, other in pairwise(filters):
                one.link_to(other)
            self._graph.configure()
        except (av.error.FFmpegError, ValueError):
            raise PictureError(
                f"is HDR ({HDR[self.transfer]}), which this version of PyAV cannot show as SDR: "
                "update PyAV, or make the clip SDR first"
            ) from None

    def __call__(self, picture: "VideoFrame") -> "VideoFrame":
        """A frame in BT.709."""
        if self.transfer not in HDR:
            return picture
        if self._graph is None:
            self.require(picture)
        graph: Any = self._graph
        graph.push(picture)
        return graph.pull()
