"""A clip: what its file says of itself, and its frames one after another.

PyAV reads it. Files are handed over open, and only as the containers named here, so that no file
makes FFmpeg open another one.
"""

from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np

from engine.core.digest import file_sha256
from engine.core.errors import PictureError
from engine.core.regular import open_regular
from engine.faces.rotation import Pixels
from engine.images.reading import FILMS
from engine.video.pyav import pyav
from engine.video.tones import HDR, MAPPED, Tones

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,mpegts,flv,ogg,asf,nut,mxf,gif,webp_pipe,"
    "h264,hevc,obu,ivf"
)
SUFFIXES = frozenset((*FILMS, ".mpg", ".mpeg", ".ts", ".m2ts", ".flv", ".ogv", ".wmv", ".mxf"))
SMALLEST, MOST_PIXELS = 32, 64_000_000
NO_CLIP = "is no clip that PyAV reads, or its index is missing"
DAMAGES = 20
"""Damaged places in a row after which a clip is taken to end."""
BT709, FCC, BT601, SMPTE240M, BT2020 = 1, 4, 5, 7, 9
UNSPECIFIED = 2
MATRICES = {0: BT601, 1: BT709, 4: FCC, 5: BT601, 6: BT601, 7: SMPTE240M, 9: BT2020}
"""By FFmpeg's number of a matrix the one that frames are read and written with; RGB is written as
BT.601."""
SDR = 1
"""FFmpeg's number of BT.709 for a matrix, primaries and a transfer, and of limited range."""


@dataclass(frozen=True, slots=True)
class Colours:
    """Numbers of FFmpeg for range, matrix, primaries and transfer; 2 is unspecified, 0 of range."""

    full_range: bool
    matrix: int
    primaries: int
    transfer: int
    range_code: int


@dataclass(frozen=True, slots=True)
class Clip:
    """What a file says of its clip.

    width, height: as stored, before the turn that a player makes; turns: quarter turns
    anticlockwise that put a frame upright; display: the display matrix (9 numbers), None for an
    upright clip; frames: as noted, or estimated from the duration; aspect: of a stored pixel;
    transfer: as stored, while pixel format and colours are those that the frames of HDR are mapped
    to.
    """

    path: Path
    sha256: str
    codec: str
    pixel_format: str
    width: int
    height: int
    time_base: Fraction
    rate: Fraction
    frames: int
    aspect: Fraction | None
    turns: int
    display: tuple[int, ...] | None
    colours: Colours
    transfer: int
    has_sound: bool

    @property
    def hdr(self) -> str | None:
        """The name of an HDR transfer; None for SDR."""
        return HDR.get(self.transfer)


class Frame(NamedTuple):
    """A decoded frame, its number from 0 and its time stamp in ticks of the clip's time base."""

    number: int
    ticks: int
    picture: "VideoFrame"


def is_clip(path: Path) -> bool:
    """Whether a file is named like a clip."""
    return path.is_file() and path.suffix.lower() in SUFFIXES


def read_clip(path: Path) -> Clip:
    """What a file says of its clip, from its header and its first two frames.

    PictureError with the reason for a file without a clip; UsageError without PyAV.
    """
    with opened(path) as (container, stream):
        first, *more = _first_frames(container, stream)
        if not more:
            raise PictureError("holds a single frame: it is a picture, not a clip")
        width, height = first.width, first.height
        if min(width, height) < SMALLEST:
            raise PictureError(f"is {width} x {height} px: too small for a face")
        if width * height > MOST_PIXELS:
            raise PictureError(f"is {width} x {height} px: more than {MOST_PIXELS // 10**6} MP")
        base, rate = stream.time_base, stream.average_rate or stream.guessed_rate
        if base is None or rate is None or rate <= 0 or rate > 1000:
            raise PictureError("does not say how fast its frames follow one another")
        transfer, matrix = int(first.color_trc), int(first.colorspace)
        if matrix not in (*MATRICES, UNSPECIFIED):
            raise PictureError(
                f"stores its colours by a matrix (FFmpeg's number {matrix}) that is not known here"
            )
        Tones(transfer).require(first)
        hdr = transfer in HDR
        return Clip(
            path=path,
            sha256=file_sha256(path),
            codec=stream.codec_context.name,
            pixel_format=MAPPED if hdr else first.format.name,
            width=width,
            height=height,
            time_base=base,
            rate=rate,
            frames=stream.frames or _estimated_frames(container, stream, rate),
            aspect=stream.sample_aspect_ratio or None,
            turns=round(first.rotation / 90) % 4,
            display=_display_matrix(first),
            colours=Colours(False, SDR, SDR, SDR, SDR) if hdr else _colours(first),
            transfer=transfer,
            has_sound=bool(container.streams.audio),
        )


def frames_of(clip: Clip) -> Iterator[Frame]:
    """The frames in the order of their time stamps, which grow; what is damaged is left out.

    A frame without a time stamp follows its neighbour by the clip's rate.
    """
    step = max(round(1 / (clip.rate * clip.time_base)), 1)
    last: int | None = None
    number, tones = 0, Tones(clip.transfer)
    with opened(clip.path) as (container, stream):
        for picture in _decoded(container, stream):
            if (picture.width, picture.height) != (clip.width, clip.height):
                picture = picture.reformat(width=clip.width, height=clip.height)
            ticks = picture.pts
            if ticks is None or (last is not None and ticks <= last):
                ticks = 0 if last is None else last + step
            last = ticks
            yield Frame(number, ticks, tones(picture))
            number += 1


def pixels_of(picture: "VideoFrame", clip: Clip) -> Pixels:
    """The upright RGB picture (h, w, 3) of a frame, 8 bits."""
    rgb = picture.to_ndarray(format="rgb24", src_colorspace=matrix_of(clip))
    return np.ascontiguousarray(np.rot90(cast(Pixels, rgb), clip.turns))


def matrix_of(clip: Clip) -> int:
    """FFmpeg's number of the matrix of the colours: as noted, else as players guess by the size."""
    noted = clip.colours.matrix
    if noted == UNSPECIFIED:
        return BT709 if min(clip.width, clip.height) >= 720 else BT601
    return MATRICES[noted]


@contextmanager
def opened(path: Path) -> "Generator[tuple[InputContainer, VideoStream]]":
    """A file's container and its video stream; PictureError with a reason where it has none."""
    av = pyav()
    try:
        file = open_regular(path)
    except OSError as error:
        raise PictureError(f"cannot be read: {error.strerror or error}") from None
    with file:
        try:
            container = av.open(file, options={"format_whitelist": CONTAINERS})
        except (av.error.FFmpegError, ValueError, OSError) as error:
            empty = path.stat().st_size == 0
            why = "is an empty file" if empty else f"{NO_CLIP}: {_words(error)}"
            raise PictureError(why) from None
        with container:
            cover = av.stream.Disposition.attached_pic
            streams = [s for s in container.streams.video if not s.disposition & cover]
            if not streams:
                sound = bool(container.streams.audio)
                raise PictureError("holds only sound, no frames" if sound else "holds no frames")
            streams[0].thread_type = "AUTO"
            yield container, streams[0]


def _decoded(container: "InputContainer", stream: "VideoStream") -> "Iterator[VideoFrame]":
    """The frames that can be decoded; damaged packets give none, and a cut file ends."""
    av = pyav()
    packets, damages = container.demux(stream), 0
    while damages < DAMAGES:
        try:
            packet = next(packets, None)
        except av.error.FFmpegError:
            packets, damages = container.demux(stream), damages + 1
            continue
        if packet is None:
            break
        try:
            yield from packet.decode()
        except av.error.FFmpegError:
            damages += 1
        else:
            damages = 0


def _first_frames(container: "InputContainer", stream: "VideoStream") -> "list[VideoFrame]":
    frames: list[VideoFrame] = []
    for picture in _decoded(container, stream):
        frames.append(picture)
        if len(frames) == 2:
            break
    if not frames:
        raise PictureError("holds no frame that can be decoded")
    return frames


def _estimated_frames(container: "InputContainer", stream: "VideoStream", rate: Fraction) -> int:
    if stream.duration and stream.time_base:
        return max(round(stream.duration * stream.time_base * rate), 1)
    return max(round(Fraction(container.duration or 0, 1_000_000) * rate), 1)


def _display_matrix(picture: "VideoFrame") -> tuple[int, ...] | None:
    # PyAV's types call this a mapping of names; it yields the data itself.
    for data in cast("Iterable[Any]", picture.side_data):
        if data.type.name == "DISPLAYMATRIX":
            numbers = np.frombuffer(bytes(data), np.int32)
            return tuple(numbers.tolist()) if len(numbers) == 9 else None
    return None


def _colours(picture: "VideoFrame") -> Colours:
    code = int(picture.color_range)
    return Colours(
        full_range=code == 2 or picture.format.name.startswith("yuvj"),
        matrix=int(picture.colorspace) or BT601,  # RGB is written as YUV
        primaries=int(picture.color_primaries),
        transfer=int(picture.color_trc),
        range_code=code,
    )


def _words(error: Exception) -> str:
    """What FFmpeg says, without the name of the file."""
    return (getattr(error, "strerror", None) or str(error)).split(":")[0].strip().lower()
