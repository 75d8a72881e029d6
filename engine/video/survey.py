"""The first pass over a clip: its shots, the person's points in every frame, the means of shots."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from engine.core.atomic import written
from engine.core.errors import PictureError
from engine.core.progress import Progress, reported
from engine.faces.detect import Face
from engine.faces.rotation import Pixels
from engine.video.clip import Clip, frames_of, pixels_of
from engine.video.follow import Follower
from engine.video.method import FrameMethod, Means, Measures
from engine.video.shots import CutFinder
from engine.video.smoothing import steady

LONGEST_LOSS = 0.5
"""Seconds without the face over which its points are interpolated."""
TRIES = 3
"""Frames that may be refused, as covered or too young, before the clip is."""

Maker = Callable[[Pixels, Face, int], FrameMethod]
"""Makes the method from a frame (h, w, 3), the face in it, and its number; PictureError refuses."""


@dataclass(slots=True)
class Track:
    """What the first pass saw of n frames.

    ticks (n,): time stamps; shots (n,): numbers; points (n, 68, 2) as fitted, NaN without a face;
    first: the frame by which the person was measured; means: of each shot, by number.
    """

    ticks: NDArray[np.int64]
    shots: NDArray[np.int64]
    points: NDArray[np.float32]
    first: int
    means: dict[int, Measures] = field(default_factory=dict[int, Measures])

    def steady_points(self, seconds: NDArray[np.float64]) -> NDArray[np.float64]:
        """The points (n, 68, 2) for the second pass; NaN in frames that stay as they are."""
        return steady(self.points.astype(np.float64), seconds, self.shots, LONGEST_LOSS)

    def fits(self, measures: Measures) -> bool:
        """Whether its means are of the kind of a frame's measures."""
        shapes = {name: value.shape for name, value in measures.items()}
        return all(
            {name: value.shape for name, value in means.items()} == shapes
            for means in self.means.values()
        )

    def whole(self) -> Measures:
        """The means over all shots, each counting once for each of its measured frames."""
        means = Means()
        for shot in self.means.values():
            means.add(shot)
        return means.values()


def survey(clip: Clip, follower: Follower, make: Maker, progress: Progress) -> Track:
    """Look at every frame once; PictureError where no frame has a face that can be aged."""
    cuts, shot = CutFinder(), 0
    ticks: list[int] = []
    shots: list[int] = []
    points: list[NDArray[np.float32]] = []
    means: dict[int, Means] = {}
    method: FrameMethod | None = None
    refusals: list[PictureError] = []
    first = 0
    none = np.full((68, 2), np.nan, np.float32)
    with reported(progress, "Looking at the clip", clip.frames):
        for frame in frames_of(clip):
            pixels = pixels_of(frame.picture, clip)
            new_shot = cuts.is_cut(pixels)
            shot += new_shot
            face = follower.step(pixels, new_shot=new_shot)
            usable = face is not None and not face.profile
            if usable and follower.is_key and face is not None:
                if method is None and len(refusals) < TRIES:
                    try:
                        method, first = make(pixels, face, frame.number), frame.number
                    except PictureError as error:
                        refusals.append(error)
                if method is not None:
                    means.setdefault(shot, Means()).add(method.measure(pixels, face))
            ticks.append(frame.ticks)
            shots.append(shot)
            points.append(face.landmarks if usable and face is not None else none)
            progress.advance()
    if method is None:
        raise refusals[0] if refusals else PictureError("no face found in it", status="skipped")
    return Track(
        np.array(ticks, np.int64),
        np.array(shots, np.int64),
        np.stack(points),
        first,
        {number: mean.values() for number, mean in means.items()},
    )


def save_track(path: Path, track: Track) -> None:
    """Write a track for a run that goes on later."""
    arrays: dict[str, NDArray[Any]] = {
        f"mean/{shot}/{name}": value
        for shot, means in track.means.items()
        for name, value in means.items()
    }
    arrays |= {"ticks": track.ticks, "shots": track.shots, "points": track.points}
    with written(path) as file:
        np.savez(file, allow_pickle=False, first=np.array(track.first), **arrays)


def load_track(path: Path) -> Track | None:
    """The track of an earlier run; None where there is none, or it is damaged."""
    if not path.is_file():
        return None
    try:
        with np.load(path, allow_pickle=False) as arrays:
            means: dict[int, dict[str, NDArray[np.floating]]] = {}
            for key in arrays.files:
                if key.startswith("mean/"):
                    _, shot, name = key.split("/", 2)
                    means.setdefault(int(shot), {})[name] = arrays[key]
            track = Track(
                arrays["ticks"], arrays["shots"], arrays["points"], int(arrays["first"]), {**means}
            )
    except (ValueError, KeyError, OSError, EOFError, BadZipFile):
        return None
    count = len(track.ticks)
    fits = track.points.shape == (count, 68, 2) and len(track.shots) == count
    fits = fits and 0 <= track.first < count and bool(np.isfinite(track.points[track.first]).all())
    whole = all(array.dtype.kind == "i" for array in (track.ticks, track.shots))
    return track if fits and whole and bool((np.diff(track.ticks) > 0).all()) and means else None
