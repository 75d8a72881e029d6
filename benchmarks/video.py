"""Do aged clips flicker? Drawn clips with true motion, and the truth at the target age.

A drawn person turns, nods, smiles and blinks; every frame has its own grain. Each clip is aged by
`tm infer`, and frame by frame as `tm infer` ages photos. Temporal error: mean absolute difference
in levels between a frame and the next one brought back along the true flow, on the head without
eyes and mouth, which move by themselves. Age by the independent age evaluator; identity by dlib to
the truth of the same frame.

    python benchmarks/video.py --out DIR [--clips 5] [--seconds 5] [--models nano,photo] [--json]
    python benchmarks/video.py --out DIR --speed CLIP      # frames a second, and where time goes
"""

import argparse
import cProfile
import io
import json
import pstats
import resource
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from engine.app.infer import InferRequest, infer
from engine.evaluators.photographs import DRAWN_IMPOSTOR_DISTANCE, NANO
from engine.faces.crop import crop_face
from engine.faces.descriptor import describe_aligned
from engine.geometry.ffhq import quad_of
from engine.images.ranges import to_tensor
from engine.images.reading import read_picture
from engine.images.saving import save_png
from engine.images.srgb import Pixels
from engine.metrics.bootstrap import Interval, mean_interval
from engine.nets.named import load_age_estimator
from engine.worlds.portraits import Identity, Scene, identity, render, scene
from engine.worlds.portraits.motion import LIVELY, flow, scene_at

FIRST = 903_101
"""Of people who were in no choice of how clips are made; 903,001 and 400,001 on were."""
RATE, SIZE, TARGET = 24, 256, 70.0
SOURCES = (30.0, 42.0, 36.0, 50.0, 45.0)
EVERY = 4
"""Every how many frames age and identity are estimated."""
CRF = 10


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
        self.ages = load_age_estimator(NANO, torch.device("cpu"))

    @torch.inference_mode()
    def figures(self, take: Take, frames: list[Pixels]) -> dict[str, float]:
        """Age, its spread over time, its error, and identity to the truth."""
        years: list[float] = []
        same: list[float] = []
        for number in range(0, len(frames), EVERY):
            quad = quad_of(take.points[number])
            face = crop_face(frames[number], quad, SIZE)
            years.append(float(self.ages.years(to_tensor(face))))
            truth = describe_aligned(crop_face(take.truth[number], quad, SIZE))
            apart = float(np.linalg.norm(describe_aligned(face) - truth))
            same.append(1 - apart / DRAWN_IMPOSTOR_DISTANCE)
        return {
            "age": float(np.mean(years)),
            "age_spread": float(np.std(years)),
            "age_error": float(np.abs(np.array(years) - TARGET).mean()),
            "identity": float(np.mean(same)),
            "identity_spread": float(np.std(same)),
        }


def one_by_one(take: Take, clip: Path, model: str, out: Path) -> list[Pixels]:
    """The frames of a clip, each aged as a photo of its own."""
    folder = out / f"{clip.stem}_frames"
    folder.mkdir(exist_ok=True)
    for number, picture in enumerate(read_frames(clip)):
        path = folder / f"{number:04}.png"
        if not path.is_file():
            save_png(path, picture, {"made": "rendered"})
    made = out / f"{clip.stem}_{model}_stills"
    coded = model != "photo"
    infer(_request(folder, made, take, model, paste=coded))
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


def _request(source: Path, out: Path, take: Take, model: str, **more: Any) -> InferRequest:
    return InferRequest(
        source=source,
        out=out,
        ages=(TARGET,),
        age=take.age if model == "photo" else None,
        weights=model,
        force=True,
        workers=1,
        settings=("evaluate=false",),
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


NAMES = ("error", "ratio", "age", "age_error", "age_spread", "identity", "identity_spread")


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
        }
        for kind in kinds
    }


def print_table(figures: Mapping[str, Mapping[str, Interval]]) -> None:
    """Print means, with intervals of 95 % over people."""
    print(f"{'':24}" + "".join(f"{name:>22}" for name in NAMES))
    for kind, own in figures.items():
        cells = (f"{i.mean:.2f} ({i.low:.2f}, {i.high:.2f})" for i in own.values())
        print(f"{kind:24}" + "".join(f"{cell:>22}" for cell in cells))


def speed(clip: Path, out: Path) -> dict[str, float]:
    """Age a clip by the photo model, and say how fast it went and where the time was spent."""
    profile = cProfile.Profile()
    request = InferRequest(
        source=clip, out=out, ages=(TARGET,), weights="photo", settings=("evaluate=false",)
    )
    wall, cpu = time.perf_counter(), time.process_time()
    profile.enable()
    result = infer(request)
    profile.disable()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    text = io.StringIO()
    pstats.Stats(profile, stream=text).sort_stats("cumtime").print_stats(40)
    print(text.getvalue())
    frames = result.report.rows[0]["frames"]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "frames": frames,
        "frames_a_second": frames / wall,
        "cpu_seconds_a_frame": cpu / frames,
        "peak_megabytes": peak,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--clips", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--first", type=int, default=FIRST, help="number of the first person")
    parser.add_argument("--models", default="nano,photo")
    parser.add_argument("--speed", type=Path)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    if options.speed is not None:
        print(json.dumps(speed(options.speed, options.out), indent=2))
        return
    rows: list[Mapping[str, Any]] = []
    for number in range(options.clips):
        print(f"clip {number + 1} of {options.clips}", file=sys.stderr, flush=True)
        rows += rows_of(
            taken(number, options.seconds, options.first), options.out, options.models.split(",")
        )
    if options.json:
        print(json.dumps(rows, indent=2))
    else:
        print_table(summary(rows))


if __name__ == "__main__":
    main()
