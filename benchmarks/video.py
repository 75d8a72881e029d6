"""Do aged clips flicker? Drawn clips with true motion, and the truth at the target age.

A drawn person turns, nods, smiles and blinks; every frame has its own grain. Each clip is aged by
`tm infer`, and frame by frame as `tm infer` ages photos. Temporal error: mean absolute difference
in levels between a frame and the next one brought back along the true flow, on the head without
eyes and mouth, which move by themselves. Its excess is what is over that of the truth, which no
faithful clip is under. Age by three evaluators that are in no loss and differ in what they see;
identity by dlib to the truth of the same frame.

Frame by frame each picture has its own detection, quad, code, colours of the paste; noise is stored
with the weights of `nano`, so that photos share it: "own noise" draws it anew for each. Both ways
the photo model is told the age of a person, which it would otherwise estimate anew in each photo.

    python benchmarks/video.py --out DIR [--clips 5] [--seconds 5] [--models nano,photo] [--json]
    python benchmarks/video.py --table FILE       # means and pairs of rows that --json printed
    python benchmarks/video.py --out DIR --speed CLIP [--age 75]  # frames a second, CPU by step
"""

import argparse
import json
import resource
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import wraps
from pathlib import Path
from typing import Any, cast

import av
import cv2
import numpy as np
import torch
from evaluation.families import FAMILIES
from numpy.typing import NDArray

from engine.app.infer import InferRequest, infer
from engine.core.table import Table
from engine.evaluators.photographs import DRAWN_IMPOSTOR_DISTANCE
from engine.faces.crop import crop_face
from engine.faces.descriptor import describe_aligned
from engine.geometry.ffhq import quad_of
from engine.images.ranges import to_tensor
from engine.images.reading import read_picture
from engine.images.saving import save_png
from engine.images.srgb import Pixels
from engine.metrics.bootstrap import Interval, mean_interval
from engine.trainings.age_evaluators import load_age_evaluator
from engine.video import ageing, photo_frames, run, survey
from engine.video.follow import Follower
from engine.video.planes import Painter
from engine.video.segments import Encoder
from engine.worlds.portraits import Identity, Scene, identity, render, scene
from engine.worlds.portraits.motion import LIVELY, flow, scene_at

FIRST = 903_101
"""Of people who were in no choice of how clips are made; 903,001 and 400,001 on were."""
RATE, SIZE, TARGET = 24, 256, 70.0
SOURCES = (30.0, 42.0, 36.0, 50.0, 45.0)
EVERY = 4
"""Every how many frames age and identity are estimated."""
CRF = 10
SPREADS = ("age_spread", "age_spread_ordinal", "age_spread_tokens")
"""Spread of the age over a clip by each of FAMILIES."""


@dataclass(frozen=True)
class Take:
    """A drawn clip: its person, scenes, age, and the pictures at that age and at the target."""

    number: int
    person: Identity
    age: float
    scenes: list[Scene]
    pictures: list[Pixels]
    truth: list[Pixels]
    points: list[NDArray[np.float32]]


def taken(number: int, seconds: float, first: int = FIRST) -> Take:
    """Render a clip."""
    person, view = identity(first + number), scene(first + number, pose=0.4)
    age = SOURCES[number % len(SOURCES)]
    scenes = [scene_at(view, LIVELY, n / RATE) for n in range(round(seconds * RATE))]
    drawn = [render(person, age, one, SIZE) for one in scenes]
    truth = [render(person, TARGET, one, SIZE).picture for one in scenes]
    return Take(
        number,
        person,
        age,
        scenes,
        [one.picture for one in drawn],
        truth,
        [one.landmarks for one in drawn],
    )


def write_clip(path: Path, pictures: list[Pixels]) -> None:
    """Write pictures (h, w, 3) as a clip."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"crf": str(CRF)})
        stream.width, stream.height, stream.pix_fmt = SIZE, SIZE, "yuv420p"
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def read_frames(path: Path) -> list[Pixels]:
    """The RGB frames of a clip."""
    with av.open(str(path)) as container:
        return [cast(Pixels, f.to_ndarray(format="rgb24")) for f in container.decode(video=0)]


def temporal_error(take: Take, frames: list[Pixels], age: float) -> float:
    """Mean difference in levels of frames from the next ones along the flow at an age."""
    errors: list[float] = []
    for number in range(len(frames) - 1):
        places, known = flow(take.person, age, take.scenes[number], take.scenes[number + 1], SIZE)
        back = cv2.remap(
            frames[number + 1].astype(np.float32), places[..., 0], places[..., 1], cv2.INTER_CUBIC
        )
        errors.append(float(np.abs(back - frames[number])[known].mean()))
    return float(np.mean(errors))


class Evaluators:
    """Age and identity of frames."""

    def __init__(self) -> None:
        cpu = torch.device("cpu")
        self.ages = [load_age_evaluator(name, networks=Table(), device=cpu) for name in FAMILIES]

    @torch.inference_mode()
    def figures(self, take: Take, frames: list[Pixels]) -> dict[str, float]:
        """Age, its spread over time, its error, and identity to the truth."""
        years: list[list[float]] = []
        same: list[float] = []
        for number in range(0, len(frames), EVERY):
            quad = quad_of(take.points[number])
            face = crop_face(frames[number], quad, SIZE)
            seen = to_tensor(face)
            years.append([float(one.years(seen)) for one in self.ages if one is not None])
            truth = describe_aligned(crop_face(take.truth[number], quad, SIZE))
            apart = float(np.linalg.norm(describe_aligned(face) - truth))
            same.append(1 - apart / DRAWN_IMPOSTOR_DISTANCE)
        first, *others = np.array(years).T
        spreads = zip(SPREADS, (first, *others), strict=True)
        return {
            "age": float(np.mean(first)),
            **{name: float(np.std(own)) for name, own in spreads},
            "age_error": float(np.abs(first - TARGET).mean()),
            "identity": float(np.mean(same)),
            "identity_spread": float(np.std(same)),
        }


def one_by_one(
    take: Take, clip: Path, model: str, out: Path, *, own_noise: bool = False
) -> list[Pixels]:
    """The frames of a clip, each aged as a photo of its own; own_noise: with noise drawn anew."""
    folder = out / f"{clip.stem}_frames"
    folder.mkdir(exist_ok=True)
    for number, picture in enumerate(read_frames(clip)):
        path = folder / f"{number:04}.png"
        if not path.is_file():
            save_png(path, picture, {"made": "rendered"})
    made = out / f"{clip.stem}_{model}_stills{'_noise' if own_noise else ''}"
    coded, noise = model != "photo", ("noise='content'",) if own_noise else ()
    infer(_request(folder, made, take, model, *noise, paste=coded))
    suffix = f"_age{TARGET:g}_pasted.png" if coded else f"_age{TARGET:g}.png"
    frames: list[Pixels] = []
    for number in range(len(take.pictures)):
        path = made / f"{number:04}{suffix}"
        # A frame whose face was not found stays as it is.
        source = path if path.is_file() else folder / f"{number:04}.png"
        frames.append(read_picture(source).pixels)
    return frames


def as_clip(take: Take, clip: Path, model: str, out: Path) -> list[Pixels]:
    """The frames of a clip aged as a clip."""
    made = out / f"{clip.stem}_{model}_clip"
    infer(_request(clip, made, take, model, crf=CRF))
    return read_frames(made / f"{clip.stem}_age{TARGET:g}.mp4")


def _request(
    source: Path, out: Path, take: Take, model: str, *settings: str, **more: Any
) -> InferRequest:
    return InferRequest(
        source=source,
        out=out,
        ages=(TARGET,),
        age=take.age if model == "photo" else None,
        weights=model,
        force=True,
        workers=1,
        settings=("evaluate=false", *settings),
        **more,
    )


def rows_of(take: Take, out: Path, models: list[str]) -> Iterator[dict[str, Any]]:
    """Figures of one clip: as it is, the truth, and each model in both ways."""
    clip = out / f"clip{take.number}.mp4"
    if not clip.is_file():
        write_clip(clip, take.pictures)
    evaluators, before = Evaluators(), read_frames(clip)
    own = temporal_error(take, before, take.age)

    def row(name: str, frames: list[Pixels], age: float) -> dict[str, Any]:
        error = temporal_error(take, frames, age)
        measured = evaluators.figures(take, frames)
        return {"clip": take.number, "what": name, "error": error, "ratio": error / own, **measured}

    yield row("as it is", before, take.age)
    yield row("truth", take.truth, TARGET)
    for model in models:
        yield row(f"{model}, as a clip", as_clip(take, clip, model, out), take.age)
        yield row(f"{model}, frame by frame", one_by_one(take, clip, model, out), take.age)
        if model != "photo":
            drawn = one_by_one(take, clip, model, out, own_noise=True)
            yield row(f"{model}, frame by frame, own noise", drawn, take.age)


NAMES = ("error", "ratio", "age", "age_error", *SPREADS, "identity", "identity_spread")
AS_CLIP, BY_FRAME = ", as a clip", ", frame by frame"


def summary(rows: list[Mapping[str, Any]]) -> dict[str, dict[str, Interval]]:
    """Means over clips with their intervals over people."""
    kinds = dict.fromkeys(row["what"] for row in rows)
    return {
        kind: {
            name: mean_interval(
                [row[name] for row in rows if row["what"] == kind],
                groups=[row["clip"] for row in rows if row["what"] == kind],
            )
            for name in NAMES
            if all(name in row for row in rows)
        }
        for kind in kinds
    }


def pairs(rows: list[Mapping[str, Any]]) -> dict[str, dict[str, Interval]]:
    """By model and way what is compared person by person, with its interval over people.

    excess: of the ratio over the truth's; over_input: over the input's; beyond_half: a clip's
    excess less half of that frame by frame, and so for over_input; identity: less that frame by
    frame; spread: of the ages over the truth's, as variances, in years squared.
    """
    by = {(row["what"], row["clip"]): row for row in rows}
    clips = sorted({row["clip"] for row in rows})

    def mean(figure: Callable[[int], float]) -> Interval:
        return mean_interval([figure(clip) for clip in clips], groups=clips)

    def excess(kind: str, than: str) -> Callable[[int], float]:
        return lambda clip: by[kind, clip]["ratio"] - by[than, clip]["ratio"]

    def apart(kind: str, than: str, name: str, power: int = 1) -> Callable[[int], float]:
        return lambda clip: by[kind, clip][name] ** power - by[than, clip][name] ** power

    result: dict[str, dict[str, Interval]] = {}
    for kind in dict.fromkeys(row["what"] for row in rows):
        if kind in ("as it is", "truth"):
            continue
        own = {
            "excess": mean(excess(kind, "truth")),
            "over_input": mean(excess(kind, "as it is")),
            **{name: mean(apart(kind, "truth", name, 2)) for name in SPREADS if name in rows[0]},
        }
        if kind.endswith(AS_CLIP):
            still = kind.replace(AS_CLIP, BY_FRAME)
            for name, than in (("beyond_half", "truth"), ("beyond_half_input", "as it is")):
                clip_excess, by_frame = excess(kind, than), excess(still, than)
                own[name] = mean(lambda n, a=clip_excess, b=by_frame: a(n) - b(n) / 2)
            own["identity"] = mean(apart(kind, still, "identity"))
        result[kind] = own
    return result


def print_table(figures: Mapping[str, Mapping[str, Interval]]) -> None:
    """Print means, with intervals of 95 % over people."""
    for kind, own in figures.items():
        print(kind)
        for name, (mean, low, high) in own.items():
            print(f"    {name:20}{mean:8.3f} ({low:.3f}, {high:.3f})")


STEPS: tuple[tuple[str, Any, str], ...] = (
    ("first pass", run, "survey"),
    ("  the face in a frame", Follower, "step"),
    ("  measures of a shot", photo_frames.PhotoFrames, "measure"),
    ("second pass", ageing.Second, "run"),
    ("  masks", photo_frames.PhotoFrames, "look"),
    ("  a frame is prepared", photo_frames.PhotoFrames, "prepared"),
    ("  change by age", photo_frames, "age_change"),
    ("  change in the mean frame", photo_frames, "shared_change"),
    ("  change brought back", photo_frames, "averaged_change"),
    ("  laid into the frame", photo_frames, "changed"),
    ("  planes", Painter, "change"),
    ("pixels of a frame", ageing, "pixels_of"),
    ("pixels of a frame", survey, "pixels_of"),
    ("encoder is handed a frame", Encoder, "add"),
)
"""What `--speed` measures: a name, and the function; of those indented, in their own thread."""


def _timed(spent: dict[str, float], name: str, whole: Any, function: str) -> None:
    inner = getattr(whole, function)
    clock = time.thread_time if name.startswith(" ") else time.process_time

    @wraps(inner)
    def timed(*given: Any, **named: Any) -> Any:
        begun = clock()
        try:
            return inner(*given, **named)
        finally:
            spent[name] += clock() - begun

    setattr(whole, function, timed)


def speed(clip: Path, out: Path, age: float) -> dict[str, Any]:
    """Age a clip by the photo model; frames a second, and the CPU that each step took."""
    spent: dict[str, float] = defaultdict(float)
    for step in STEPS:
        _timed(spent, *step)
    request = InferRequest(
        source=clip, out=out, ages=(age,), weights="photo", settings=("evaluate=false",)
    )
    wall, cpu = time.perf_counter(), time.process_time()
    result = infer(request)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    frames = result.report.rows[0]["frames"]
    names = dict.fromkeys(name for name, *_ in STEPS)
    return {
        "frames": frames,
        "frames_a_second": round(frames / wall, 2),
        "cpu_seconds_a_frame": round(cpu / frames, 3),
        "peak_megabytes": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "cpu_milliseconds_a_frame": {
            name: round(1000 * spent[name] / frames, 1) for name in names if name in spent
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--clips", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--first", type=int, default=FIRST, help="number of the first person")
    parser.add_argument("--models", default="nano,photo")
    parser.add_argument("--speed", type=Path)
    parser.add_argument("--age", type=float, default=75.0, help="target age of --speed")
    parser.add_argument("--table", type=Path)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.table is not None:
        rows = json.loads(options.table.read_text(encoding="utf-8"))
        print_table(summary(rows))
        print_table(pairs(rows))
        return
    if options.out is None:
        parser.error("--out is missing")
    options.out.mkdir(parents=True, exist_ok=True)
    if options.speed is not None:
        print(json.dumps(speed(options.speed, options.out, options.age), indent=2))
        return
    measured: list[Mapping[str, Any]] = []
    for number in range(options.clips):
        print(f"clip {number + 1} of {options.clips}", file=sys.stderr, flush=True)
        measured += rows_of(
            taken(number, options.seconds, options.first), options.out, options.models.split(",")
        )
    if options.json:
        print(json.dumps(measured, indent=2))
    else:
        print_table(summary(measured))
        print_table(pairs(measured))


if __name__ == "__main__":
    main()
