"""A clip written in segments, which a run that goes on later keeps, joined at the end.

Segments are encoded without frames that refer forward, so that their time stamps follow one another
whatever the rate does, and joined by copying packets. Sound is copied from the source.
"""

import heapq
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.core.atomic import written
from engine.core.errors import PictureError
from engine.core.regular import open_regular
from engine.images.saving import tool_version
from engine.video.clip import CONTAINERS, Clip
from engine.video.planes import stored_format
from engine.video.pyav import pyav

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.frame import VideoFrame

ENCODERS = {"hevc": "libx265"}
"""What a clip of a codec is written with; any other with H.264."""
H264 = "libx264"
PRESET = "faster"


class Encoder:
    """Writes the frames of one segment into an open file."""

    def __init__(self, file: Any, clip: Clip, crf: int) -> None:
        av = pyav()
        name = ENCODERS.get(clip.codec, H264)
        options = {"crf": str(crf), "preset": PRESET}
        if name != H264:
            options["x265-params"] = "log-level=none:bframes=0"
        self._container = av.open(file, "w", format="mp4")
        stream = self._container.add_stream(name, rate=clip.rate, options=options)
        context = stream.codec_context
        stream.width, stream.height, stream.pix_fmt = clip.width, clip.height, stored_format(clip)
        stream.time_base = context.time_base = clip.time_base
        context.max_b_frames = 0
        if name != H264:
            context.codec_tag = "hvc1"
        if clip.aspect is not None:
            context.sample_aspect_ratio = clip.aspect
        colours = clip.colours
        context.color_range = 2 if colours.full_range else colours.range_code
        context.colorspace = colours.matrix
        context.color_primaries, context.color_trc = colours.primaries, colours.transfer
        self._stream = stream
        self._start: int | None = None

    def add(self, frame: "VideoFrame") -> None:
        """Encode a frame; time stamps count from the segment's first."""
        assert frame.pts is not None
        if self._start is None:
            self._start = frame.pts
        frame.pts -= self._start
        self._container.mux(self._stream.encode(frame))

    def close(self) -> None:
        """Encode what is waiting, and finish the file."""
        self._container.mux(self._stream.encode())
        self._container.close()


@contextmanager
def encoder(path: Path, clip: Clip, crf: int) -> Generator[Encoder]:
    """Write a segment; a killed process leaves none, or the whole of it."""
    with written(path) as file:
        own = Encoder(file, clip, crf)
        yield own
        own.close()


def join(path: Path, clip: Clip, parts: Iterable[tuple[Path, int]], note: str) -> list[str]:
    """Join segments, each with the time stamp of its first frame, with the sound of the clip.

    note: what the file says of itself. Returns what is left out of the sound, a sentence each.
    """
    av = pyav()
    segments = list(parts)
    with written(path) as file, av.open(file, "w", format="mp4") as output:
        output.metadata["comment"] = note
        output.metadata["encoder"] = f"tm {tool_version()}"
        with av.open(str(segments[0][0])) as first:
            stream = output.add_stream_from_template(first.streams.video[0])
        stream.time_base = clip.time_base
        if clip.display is not None:
            stream.set_display_matrix(clip.display)
        with _source(clip) as source:
            sounds, lost = _sounds(output, source)
            output.start_encoding()
            pictures = chain.from_iterable(
                _packets(place, start, clip, stream) for place, start in segments
            )
            waiting = [pictures] + ([_sound(source, sounds, lost)] if sounds else [])
            for packet in heapq.merge(*waiting, key=_seconds):
                output.mux(packet)
    return lost


@contextmanager
def _source(clip: Clip) -> "Generator[InputContainer]":
    options = {"format_whitelist": CONTAINERS}
    with open_regular(clip.path) as file, pyav().open(file, options=options) as container:
        yield container


def _sounds(output: Any, source: "InputContainer") -> tuple[dict[int, Any], list[str]]:
    """A stream of the output for each sound of the source, by its number there."""
    sounds: dict[int, Any] = {}
    lost: list[str] = []
    for audio in source.streams.audio:
        name = audio.codec_context.name
        if name in output.supported_codecs:
            sounds[audio.index] = output.add_stream_from_template(audio)
        else:
            lost.append(f"its sound is `{name}`, which MP4 does not hold: it is left out")
    return sounds, lost


def _packets(path: Path, start: int, clip: Clip, stream: Any) -> "Iterator[Packet[Any]]":
    """The packets of a segment, moved to their place in the clip."""
    av = pyav()
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        for packet in container.demux(video):
            if packet.pts is None or packet.dts is None:
                continue
            scale = video.time_base / clip.time_base
            packet.pts = round(packet.pts * scale) + start
            packet.dts = round(packet.dts * scale) + start
            packet.duration = round((packet.duration or 0) * scale)
            packet.time_base = clip.time_base
            packet.stream = stream
            yield packet


def _sound(
    source: "InputContainer", sounds: dict[int, Any], lost: list[str]
) -> "Iterator[Packet[Any]]":
    """The packets of all sound, as they come, up to where the file is damaged."""
    av = pyav()
    streams = [source.streams[index] for index in sounds]
    packets = source.demux(*streams)
    while True:
        try:
            packet = next(packets, None)
        except av.error.FFmpegError:
            lost.append("its sound is damaged: what follows is left out")
            return
        if packet is None:
            return
        if packet.dts is None:
            continue
        packet.stream = sounds[packet.stream.index]
        yield packet


def _seconds(packet: "Packet[Any]") -> Fraction:
    return Fraction(packet.dts or 0) * (packet.time_base or Fraction(1))


def require_parts(parts: Iterable[Path]) -> None:
    """PictureError where a segment is gone that this run or an earlier one wrote."""
    for part in parts:
        if not part.is_file():
            raise PictureError(f"its segment `{part.name}` is gone: run again")
