"""A film across the ages: codes are interpolated, the noise stays."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from engine.core.atomic import written
from engine.core.errors import UsageError
from engine.faces.rotation import Pixels

Film = Literal["gif", "mp4"]
FRAMES_A_SECOND = 20


def interpolate(targets: Tensor, frames: int) -> Iterator[Tensor]:
    """Codes (n, width) for `frames` pictures between each two of the targets (ages, n, width).

    Linear in w+, which is linear in age between two anchors; the last anchor comes last.
    """
    for one, other in pairwise(targets):
        for frame in range(frames):
            yield torch.lerp(one, other, frame / frames)
    yield targets[-1]


def save_film(path: Path, frames: list[Pixels], film: Film) -> None:
    """Write frames (h, w, 3) forward and back again as an endless GIF or an MP4."""
    there_and_back = [*frames, *frames[-2:0:-1]]
    if film == "gif":
        _save_gif(path, there_and_back)
    else:
        _save_mp4(path, there_and_back)


def _save_gif(path: Path, frames: list[Pixels]) -> None:
    pictures = [Image.fromarray(frame) for frame in frames]
    # One palette for all frames: a palette of its own for each would flicker.
    palette = Image.fromarray(np.vstack([frames[0], frames[len(frames) // 2]])).quantize(256)
    first, *rest = (picture.quantize(palette=palette) for picture in pictures)
    with written(path) as file:
        first.save(
            file,
            "GIF",
            save_all=True,
            append_images=rest,
            duration=1000 // FRAMES_A_SECOND,
            loop=0,
        )


def _save_mp4(path: Path, frames: list[Pixels]) -> None:
    try:
        import av
    except ModuleNotFoundError:
        raise UsageError(
            "writing MP4 needs PyAV", hint="run `pip install 'tm-toolkit[video]'`, or write a GIF"
        ) from None
    height, width = (side - side % 2 for side in frames[0].shape[:2])
    with written(path) as file, av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("h264", rate=FRAMES_A_SECOND)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for frame in frames:
            picture = av.VideoFrame.from_ndarray(frame[:height, :width].copy(), format="rgb24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
