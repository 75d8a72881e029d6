"""The second pass over a clip: every frame at every age, a segment at a time."""

import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.core.atomic import write_json
from engine.core.progress import Progress
from engine.faces.detect import Face
from engine.faces.rotation import Pixels
from engine.images.plausible import require_plausible
from engine.runtime.pool import cores
from engine.video.clip import Clip, Frame, frames_of, pixels_of
from engine.video.follow import face_of
from engine.video.marks import is_mark
from engine.video.method import FrameMethod, Measures
from engine.video.planes import Painter
from engine.video.segments import encoder
from engine.video.survey import Track
from engine.video.watermark import Watermark
from engine.video.window import Seen, Times, averaged, reach_of, stride_of

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

SEGMENT = 10.0
"""Seconds of a segment."""
EVALUATED = 24
"""Frames of a clip in which age and identity are estimated."""
LABEL = "SYNTHETIC"
PROFILE = 180.0
"""Degrees of yaw: the first pass has left out the frames with a profile."""


@dataclass(frozen=True, slots=True)
class Work:
    """What is made of a clip: ages in years, quality, and the folder of the segments."""

    clip: Clip
    ages: tuple[float, ...]
    crf: int
    watermark: bool
    folder: Path
    evaluate: bool

    def part(self, segment: int, age: float) -> Path:
        """The file of a segment at an age."""
        return self.folder / f"{segment:05}_age{age:g}.mp4"

    def mark(self, segment: int) -> Path:
        """The file that says a segment is whole; it holds the estimates of its frames."""
        return self.folder / f"{segment:05}.json"

    def is_whole(self, segment: int) -> bool:
        """Whether an earlier run finished a segment."""
        return is_mark(self.mark(segment)) and all(
            self.part(segment, age).is_file() for age in self.ages
        )


class Timing(NamedTuple):
    """Of n frames: seconds (n,) from the first, segments (n,), and the runs (n,) of frames with
    the face in one shot, -1 without."""

    seconds: NDArray[np.float64]
    segments: NDArray[np.int64]
    runs: NDArray[np.int64]


class _Aged(NamedTuple):
    frames: "list[VideoFrame]"
    estimates: list[dict[str, Any]]


def seconds_of(clip: Clip, track: Track) -> NDArray[np.float64]:
    """Seconds of each frame since the first one."""
    return (track.ticks - track.ticks[0]) * float(clip.time_base)


def timing_of(seconds: NDArray[np.float64], track: Track, points: NDArray[np.float64]) -> Timing:
    """When frames are shown, and which belong together."""
    seen = np.isfinite(points[:, 0, 0])
    begins = np.ones(len(seen), bool)
    begins[1:] = (track.shots[1:] != track.shots[:-1]) | (seen[1:] != seen[:-1])
    runs = np.where(seen, np.cumsum(begins), -1)
    return Timing(seconds, (seconds // SEGMENT).astype(np.int64), runs)


class Second:
    """The second pass."""

    def __init__(
        self, work: Work, track: Track, method: FrameMethod, timing: Timing, points: np.ndarray
    ) -> None:
        self.work, self.track, self.method = work, track, method
        self.timing, self.points = timing, points
        self.painter = Painter(work.clip)
        self.watermark = Watermark(work.clip, self.painter, LABEL) if work.watermark else None
        self.whole = track.whole()
        self.change_stride = stride_of(method.change_apart, float(work.clip.rate))
        runs = timing.runs
        self._starts = np.flatnonzero(np.r_[True, runs[1:] != runs[:-1]])
        seen = np.flatnonzero(timing.runs >= 0)
        spaced = np.linspace(0, len(seen) - 1, min(EVALUATED, len(seen))).astype(int)
        self.evaluated = frozenset(seen[spaced].tolist()) if work.evaluate else frozenset[int]()

    def run(self, progress: Progress, first: int) -> None:
        """Write the segments from the one numbered `first` on."""
        start = int(np.searchsorted(self.timing.segments, first))
        waiting: deque[tuple[int, Future[_Aged]]] = deque()
        workers = cores()
        with ThreadPoolExecutor(workers) as pool, _Writer(self.work, self.timing) as writer:
            begun = time.perf_counter()

            def take() -> None:
                number, future = waiting.popleft()
                writer.add(number, future.result())
                rate = (number - start + 1) / max(time.perf_counter() - begun, 1e-3)
                progress.advance(f"{rate:.1f} frames/s")

            for number, changing, means in self._changed(self._looked(start), pool):
                if number < start:
                    continue
                waiting.append((number, pool.submit(self._aged, changing, means)))
                if len(waiting) > 2 * workers:
                    take()
            while waiting:
                take()
            writer.finish()

    def face(self, number: int) -> Face:
        """The steady face of a frame."""
        return face_of(self.points[number], PROFILE)

    def _looked(self, start: int) -> Iterator[tuple[int, Frame, Measures | None]]:
        """The frames about a number and after it, each with the mean of the looks about it."""
        clip, spreads = self.work.clip, self.method.look_spreads
        reach = reach_of(spreads, self.method.stride, float(clip.rate))

        def seen() -> Iterator[Seen[Frame]]:
            for frame in frames_of(clip):
                # As the first pass counted them: a file that changed meanwhile ends early.
                if frame.number >= len(self.timing.runs):
                    return
                if frame.number >= start - reach - self._change_reach:
                    due = self._is_due(frame.number, self.method.stride)
                    look = partial(self._look, frame) if due else None
                    yield Seen(frame.number, frame, look)

        yield from averaged(seen(), self._times, spreads, reach)

    def _changed(
        self, frames: Iterator[tuple[int, Frame, Measures | None]], pool: ThreadPoolExecutor
    ) -> "Iterator[tuple[int, _Changing, Measures | None]]":
        """The frames with their change, which is computed ahead, and the mean of those about it."""

        def seen() -> "Iterator[Seen[_Changing]]":
            for number, frame, look in frames:
                if look is None:
                    yield Seen(number, _Changing(frame, None, None), None)
                    continue
                pixels = pixels_of(frame.picture, self.work.clip)
                shot = self.track.means.get(int(self.track.shots[number]), self.whole)
                due = self._is_due(number, self.change_stride)
                future = pool.submit(self._begun, pixels, number, look, shot, due)
                change = (lambda own=future: own.result().change) if due else None
                yield Seen(number, _Changing(frame, pixels, future), change)

        yield from averaged(seen(), self._times, self.method.change_spreads, self._change_reach)

    def _begun(
        self, pixels: Pixels, number: int, look: Measures, shot: Measures, due: bool
    ) -> "_Begun":
        prepared = self.method.prepared(pixels, self.face(number), look, shot)
        return _Begun(prepared, self.method.change(prepared) if due else {})

    @property
    def _times(self) -> Times:
        return Times(self.timing.seconds, self.timing.runs)

    @property
    def _change_reach(self) -> int:
        return reach_of(self.method.change_spreads, self.change_stride, float(self.work.clip.rate))

    def _look(self, frame: Frame) -> Measures:
        pixels = pixels_of(frame.picture, self.work.clip)
        return self.method.look(pixels, self.face(frame.number))

    def _is_due(self, number: int, stride: int) -> bool:
        """Whether a frame is one of every so many of a run, or its last one."""
        runs = self.timing.runs
        if runs[number] < 0:
            return False
        begin = int(self._starts[np.searchsorted(self._starts, number, "right") - 1])
        last = number + 1 == len(runs) or runs[number + 1] != runs[number]
        return (number - begin) % stride == 0 or last

    def _aged(self, changing: "_Changing", means: Measures | None) -> _Aged:
        """A frame at every age, ready to be encoded."""
        work, painter, frame = self.work, self.painter, changing.frame
        planes = painter.planes(frame.picture)
        estimates: list[dict[str, Any]] = []
        made = [planes] * len(work.ages)
        if means is not None and changing.pixels is not None and changing.begun is not None:
            pixels, face = changing.pixels, self.face(frame.number)
            pictures = self.method.pictures(changing.begun.result().prepared, means)
            made = [[plane.copy() for plane in planes] for _ in pictures]
            for own, age, picture in zip(made, work.ages, pictures, strict=True):
                painter.change(own, pixels, picture)
                if frame.number in self.evaluated:
                    require_plausible(picture, pixels, same=True)
                    own_estimates = self.method.evaluated(picture, face, age)
                    estimates.append({"frame": frame.number, "age": age, **own_estimates})
        elif self.watermark is not None:
            made = [[plane.copy() for plane in planes] for _ in made]
        if self.watermark is not None:
            for own in made:
                self.watermark.draw(own)
        return _Aged([painter.frame(own, frame.ticks) for own in made], estimates)


class _Begun(NamedTuple):
    """A frame that is prepared, and its change where that is asked for."""

    prepared: Any
    change: Measures


class _Changing(NamedTuple):
    """A frame whose change is being computed; None for one without the face."""

    frame: Frame
    pixels: Pixels | None
    begun: "Future[_Begun] | None"


class _Writer:
    """Opens and closes the encoders of segments as frames come."""

    def __init__(self, work: Work, timing: Timing) -> None:
        self.work, self.timing = work, timing
        self._stack = ExitStack()
        self._segment: int | None = None
        self._encoders: list[Any] = []
        self._estimates: list[dict[str, Any]] = []

    def __enter__(self) -> "_Writer":
        return self

    def __exit__(self, *error: Any) -> None:
        self._stack.__exit__(*error)

    def add(self, number: int, aged: _Aged) -> None:
        """Encode a frame at every age."""
        segment = int(self.timing.segments[number])
        if segment != self._segment:
            self.finish()
            self._segment = segment
            work = self.work
            self._encoders = [
                self._stack.enter_context(encoder(work.part(segment, age), work.clip, work.crf))
                for age in work.ages
            ]
        for own, frame in zip(self._encoders, aged.frames, strict=True):
            own.add(frame)
        self._estimates += aged.estimates

    def finish(self) -> None:
        """Close the segment's files, then say that it is whole."""
        if self._segment is None:
            return
        self._stack.close()
        write_json(self.work.mark(self._segment), {"estimates": self._estimates})
        self._segment, self._estimates = None, []
