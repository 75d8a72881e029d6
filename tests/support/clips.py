"""Small clips, written by PyAV while a test runs: a face that moves, and whatever is odd."""

from fractions import Fraction

import av
import cv2
import numpy as np
from skimage.data import astronaut

RATE = 12


def faces(count, width=160, height=128):
    """Frames (h, w, 3) of one person, whose head drifts and turns a little."""
    whole = astronaut()
    for number in range(count):
        matrix = cv2.getRotationMatrix2D((224, 120), 3 * np.sin(number / 3), 0.8)
        matrix[:, 2] += (width / 2 - 224 + number / 2, height / 2 - 120)
        yield cv2.warpAffine(whole, matrix, (width, height), borderMode=cv2.BORDER_REFLECT)


def walls(count, width=160, height=128):
    """Frames without a face."""
    for number in range(count):
        yield np.full((height, width, 3), (60 + number, 90, 120), np.uint8)


def write_clip(
    path,
    frames,
    *,
    codec="libx264",
    pixels="yuv420p",
    ticks=None,
    rotation=None,
    aspect=None,
    full_range=False,
    colours=None,
    sound=None,
    rate=RATE,
):
    """Write frames (h, w, 3) as a clip; ticks: its time stamps in thousandths of a second; colours:
    FFmpeg's numbers of matrix, primaries and transfer that the file notes."""
    frames = list(frames)
    with av.open(str(path), "w") as container:
        if frames:
            options = {"x265-params": "log-level=none"} if codec == "libx265" else {}
            video = container.add_stream(codec, rate=rate, options=options)
            video.height, video.width = frames[0].shape[:2]
            video.pix_fmt = pixels
            base = Fraction(1, rate) if ticks is None else Fraction(1, 1000)
            video.time_base = video.codec_context.time_base = base
            if rotation is not None:
                video.set_display_rotation(rotation)
            if aspect is not None:
                video.codec_context.sample_aspect_ratio = aspect
            if full_range:
                video.codec_context.color_range = 2
            if colours is not None:
                context = video.codec_context
                context.colorspace, context.color_primaries, context.color_trc = colours
        audio = container.add_stream(sound, rate=44100) if sound else None
        for number, picture in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            frame = frame.reformat(format=pixels, dst_color_range=2 if full_range else 1)
            if colours is not None:
                frame.colorspace, frame.color_primaries, frame.color_trc = colours
            frame.pts = number if ticks is None else ticks[number]
            frame.time_base = base
            container.mux(video.encode(frame))
        if frames:
            container.mux(video.encode())
        if audio is not None:
            seconds = len(frames) / rate if frames else 1.0
            for start in range(0, int(seconds * 44100), 1024):
                wave = np.sin(np.arange(start, start + 1024) * 0.06).astype(np.float32)[None]
                tone = av.AudioFrame.from_ndarray(0.2 * wave, format="fltp", layout="mono")
                tone.sample_rate, tone.pts = 44100, start
                container.mux(audio.encode(tone))
            container.mux(audio.encode())
    return path


def read_frames(path):
    """The RGB frames of a clip, as stored."""
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def times_of(path):
    """Seconds at which the frames of a clip are shown."""
    with av.open(str(path)) as container:
        return [round(float(frame.pts * frame.time_base), 4) for frame in container.decode(video=0)]


def sound_of(path):
    """The packets of a clip's sound: seconds and bytes."""
    with av.open(str(path)) as container:
        return [
            (round(float(packet.pts * packet.time_base), 4), bytes(packet))
            for packet in container.demux(audio=0)
            if packet.pts is not None
        ]
