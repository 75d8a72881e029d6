"""The second pass over a clip: every frame at every age, a segment at a time."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.core.atomic import write_json
from engine.core.progress import Progress
from engine.faces.detect import Face
from engine.images.plausible import require_plausible
from engine.runtime.pool import cores
from engine.video.clip import Clip, Frame, frames_of, pixels_of
from engine.video.follow import face_of
from engine.video.method import FrameMethod, Measures, weighted
from engine.video.planes import Painter
from engine.video.segments import encoder
from engine.video.smoothing import kernel
from engine.video.survey import Track
from engine.video.watermark import Watermark

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
        return self.mark(segment).is_file() and all(
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
        seen = np.flatnonzero(timing.runs >= 0)
        spaced = np.linspace(0, len(seen) - 1, min(EVALUATED, len(seen))).astype(int)
        self.evaluated = frozenset(seen[spaced].tolist()) if work.evaluate else frozenset[int]()

    def run(self, progress: Progress, first: int) -> None:
        """Write the segments from the one numbered `first` on."""
        start = int(np.searchsorted(self.timing.segments, first))
        waiting: deque[tuple[int, Future[_Aged]]] = deque()
        workers = cores()
        with ThreadPoolExecutor(workers) as pool, _Writer(self.work, self.timing) as writer:

            def take() -> None:
                number, future = waiting.popleft()
                aged = future.result()
                writer.add(number, aged)
                progress.advance()

            for frame, look in self._looked(start):
                waiting.append((frame.number, pool.submit(self._aged, frame, look)))
                if len(waiting) > 2 * workers:
                    take()
            while waiting:
                take()
            writer.finish()

    def face(self, number: int) -> Face:
        """The steady face of a frame."""
        return face_of(self.points[number], PROFILE)

    def _looked(self, start: int) -> Iterator[tuple[Frame, Measures | None]]:
        """The frames from a number on, each with the mean of the looks about it."""
        timing, method = self.timing, self.method
        rate = float(self.work.clip.rate)
        reach = method.stride + int(np.ceil(2.5 * method.spread * rate))
        looks: dict[int, Measures] = {}
        pending: deque[Frame] = deque()
        # As the first pass counted them: a file that changed meanwhile ends early.
        frames = (frame for frame in frames_of(self.work.clip) if frame.number < len(timing.runs))
        for frame in frames:
            number = frame.number
            if number < start - reach:
                continue
            if self._is_looked_at(number):
                pixels = pixels_of(frame.picture, self.work.clip)
                looks[number] = method.look(pixels, self.face(number))
            pending.append(frame)
            while pending and pending[0].number + reach <= number:
                yield from self._emitted(pending.popleft(), looks, reach, start)
        while pending:
            yield from self._emitted(pending.popleft(), looks, reach, start)

    def _is_looked_at(self, number: int) -> bool:
        """Every so many frames of a run, and its last one."""
        runs = self.timing.runs
        if runs[number] < 0:
            return False
        begin = int(np.searchsorted(self._run_starts(), number, "right")) - 1
        since = number - int(self._run_starts()[begin])
        last = number + 1 == len(runs) or runs[number + 1] != runs[number]
        return since % self.method.stride == 0 or last

    def _run_starts(self) -> NDArray[np.int64]:
        runs = self.timing.runs
        return np.flatnonzero(np.r_[True, runs[1:] != runs[:-1]])

    def _emitted(
        self, frame: Frame, looks: dict[int, Measures], reach: int, start: int
    ) -> Iterator[tuple[Frame, Measures | None]]:
        number, runs, seconds = frame.number, self.timing.runs, self.timing.seconds
        for old in [key for key in looks if key < number - reach]:
            del looks[old]
        if number < start:
            return
        if runs[number] < 0:
            yield frame, None
            return
        near = [key for key in sorted(looks) if runs[key] == runs[number]]
        weights = kernel(seconds[near], float(seconds[number]), self.method.spread)
        yield frame, weighted([looks[key] for key in near], weights)

    def _aged(self, frame: Frame, look: Measures | None) -> _Aged:
        """A frame at every age, ready to be encoded."""
        work, painter = self.work, self.painter
        planes = painter.planes(frame.picture)
        estimates: list[dict[str, Any]] = []
        made = [planes] * len(work.ages)
        if look is not None:
            pixels, face = pixels_of(frame.picture, work.clip), self.face(frame.number)
            shot = self.track.means.get(int(self.track.shots[frame.number]), self.whole)
            pictures = self.method.pictures(pixels, face, look, shot)
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
