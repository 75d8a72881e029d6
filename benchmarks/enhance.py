"""`tm enhance` measured: does it help, does it stay the person, how much memory, how fast.

    quality  the nano chain on degraded drawn portraits of people of no training, against the
             truth, bicubic enlargement, and itself without the guard
    memory   peak beyond the input and output buffers at 4, 16 and 64 megapixels
    speed    pictures a second against the plain loop around the same networks: read, enlarge, find
             the face, restore it, paste it, write, one picture after the other

Degraded with the second-order model of Real-ESRGAN at the severity of `nano/x2`, with seeds that
no training uses. Age and identity are measured by networks that are in no loss and no guard: the
independent nano age evaluator and dlib.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from PIL import Image

from engine.core.progress import Silence
from engine.data.degradation import Degradation, degraded_pixels
from engine.data.portraits import PortraitPlan, PortraitSet, rendered
from engine.enhance.base import ENHANCERS
from engine.enhance.folder import enhance_folder
from engine.enhance.plan import EnhancePlan
from engine.enhance.recipe import load_enhance
from engine.evaluators.photographs import DRAWN_IMPOSTOR_DISTANCE
from engine.faces.crop import crop_face
from engine.faces.descriptor import SMALLEST, describe_aligned
from engine.faces.detect import FaceFinder
from engine.faces.paste import paste_face
from engine.geometry.ffhq import quad_of
from engine.images.ranges import to_pixels, to_tensor, to_tensors
from engine.images.raster import enlarged_plane
from engine.metrics.energy import energy_ratios
from engine.metrics.pixels import psnr
from engine.nets.named import load_age_estimator, load_distance
from engine.runtime.device import choose
from engine.runtime.pool import cores

FIRST, SIDE, SCALE = 930_000, 128, 2
SEVERITY = 0.5
STEPS = "ddcolor,esrgan,gfpgan"
CPU = torch.device("cpu")
PERCEPTUAL = "nano-evaluator-features"
Rows = dict[str, np.ndarray]
LARGE = (4, 16, 64)


def degrade(people: int, folder: Path, *, first: int = FIRST) -> tuple[np.ndarray, PortraitSet]:
    """Write degraded portraits (64 px) of `people`; returns them and the set of their truths."""
    plan = PortraitPlan(first=first, people=people, scenes=1, ages=1, span="10..90", size=SIDE)
    truth = rendered(plan, Silence())
    how, half = Degradation(severity=SEVERITY), (SIDE // SCALE, SIDE // SCALE)
    degraded = [degraded_pixels(truth.pictures[i], how, half, first + i) for i in range(people)]
    folder.mkdir(parents=True)
    for i, pixels in enumerate(degraded):
        Image.fromarray(pixels).save(folder / f"{i:04d}.png")
    return np.stack(degraded), truth


def enhanced(source: Path, out: Path, count: int, *settings: str, workers: int) -> np.ndarray:
    """The results of the command for a folder."""
    recipe = load_enhance("enhance/old_photo", settings, steps=STEPS)
    plan = EnhancePlan.of(recipe, source, out, choose("cpu"))
    report = enhance_folder(plan, Silence(), workers=workers)
    if report.count("done") != count:
        raise SystemExit(f"{report.count('done')} of {count} were enhanced")
    return np.stack([np.asarray(Image.open(out / f"{i:04d}.png")) for i in range(count)])


def quality(people: int, first: int, workers: int) -> Rows:
    """Figures of every picture, every method against the truth: `method/figure` to (people,)."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = folder / "degraded"
        degraded, truth = degrade(people, source, first=first)
        methods = {
            "bicubic": np.stack([enlarged_plane(pixels, SCALE) for pixels in degraded]),
            "guarded": enhanced(source, folder / "on", people, workers=workers),
            "unguarded": enhanced(
                source, folder / "off", people, "guard.on=false", workers=workers
            ),
        }
        sidecars = [
            json.loads(p.read_text("utf-8")) for p in sorted((folder / "on").glob("*.json"))
        ]
    rows = _measured(methods, truth)
    rows["guard/faces"] = np.array([float(one["faces"] > 0) for one in sidecars])
    rows["guard/drawn"] = np.array([float(one["domain"] == "portraits") for one in sidecars])
    for step, kind in enumerate(STEPS.split(",")):
        rows[f"guard/{kind}"] = np.array([one["steps"][step]["strength"] for one in sidecars])
    return rows


@torch.inference_mode()
def _measured(methods: dict[str, np.ndarray], truth: PortraitSet) -> Rows:
    age_net, perceptual = (
        load_age_estimator("nano-age-evaluator", CPU),
        load_distance(PERCEPTUAL, CPU),
    )
    points, clean = np.asarray(truth.landmarks), to_tensors(np.array(truth.pictures))
    real = _described(truth.pictures, points)
    rows: Rows = {"truth/years": torch.cat([age_net.years(p) for p in clean.split(50)]).numpy()}
    for name, pixels in methods.items():
        made = to_tensors(pixels)
        pairs = list(zip(made.split(50), clean.split(50), strict=True))
        apart = np.linalg.norm(_described(pixels, points) - real, axis=1)
        rows |= {
            f"{name}/psnr": psnr(made, clean).numpy(),
            f"{name}/perceptual": torch.cat([perceptual(a, b) for a, b in pairs]).numpy(),
            f"{name}/years": torch.cat([age_net.years(a) for a, _ in pairs]).numpy(),
            f"{name}/identity": 1 - apart / DRAWN_IMPOSTOR_DISTANCE,
        }
        for place, values in energy_ratios(made, clean, points).items():
            rows[f"{name}/energy {place.region} {place.band}"] = values
    return rows


def _described(pictures: np.ndarray, points: np.ndarray) -> np.ndarray:
    """dlib's descriptors, by the true landmarks: the pictures show the same place."""
    return np.stack([describe_aligned(p, q) for p, q in zip(pictures, points, strict=True)])


def summary(rows: Rows) -> dict[str, Any]:
    """Means over the people; energies as medians of the ratio, and how far off they are in logs."""
    result: dict[str, Any] = {"people": len(rows["truth/years"]), "perceptual_by": PERCEPTUAL}
    for method in ("bicubic", "guarded", "unguarded"):
        moved = rows[f"{method}/years"] - rows["bicubic/years"]
        off = rows[f"{method}/years"] - rows["truth/years"]
        energy = {
            k.partition(" ")[2]: v for k, v in rows.items() if k.startswith(f"{method}/energy")
        }
        logs = [np.nanmean(np.abs(np.log(np.maximum(v, 1e-6)))) for v in energy.values()]
        result[method] = {
            "psnr": _mean(rows[f"{method}/psnr"]),
            "perceptual": _mean(rows[f"{method}/perceptual"], 5),
            "energy_of_truth": {
                name: round(float(np.nanmedian(v)), 3) for name, v in energy.items()
            },
            # Twice too much and half too little are equally off.
            "energy_off": round(float(np.mean(logs)), 3),
            "identity_to_truth": _mean(rows[f"{method}/identity"]),
            "identity_drop": _mean(rows["bicubic/identity"] - rows[f"{method}/identity"]),
            "age_drift": _mean(moved),
            "age_drift_abs": _mean(np.abs(moved)),
            "age_off_truth": _mean(off),
            "age_off_truth_abs": _mean(np.abs(off)),
        }
    result["guard"] = {
        key.removeprefix("guard/"): {"mean": _mean(v), "full": round(float((v == 1).mean()), 3)}
        for key, v in rows.items()
        if key.startswith("guard/")
    }
    return result


def _mean(values: np.ndarray, digits: int = 3) -> float:
    return round(float(np.mean(values)), digits)


def memory(steps: str) -> dict[str, Any]:
    """Peak memory of a process that enhances one picture, beyond both of its buffers, in MiB."""
    result: dict[str, Any] = {}
    for megapixels in LARGE:
        line = [sys.executable, __file__, "one", "--megapixels", str(megapixels), "--steps", steps]
        done = subprocess.run(line, capture_output=True, text=True, check=True)
        result[str(megapixels)] = json.loads(done.stdout)
    return result


def one(megapixels: int, steps: str) -> dict[str, Any]:
    """Enhance a picture of noise and steps in this process, and measure its peak."""
    import resource

    from engine.enhance.one import Job, read_one, work_one, write_one

    side = round((megapixels * 1e6) ** 0.5)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        steps_of_gray = np.arange(side, dtype=np.uint32).astype(np.uint8)
        ramp = steps_of_gray[:, None] + steps_of_gray[None]
        Image.fromarray(ramp).save(folder / "large.png", compress_level=1)
        del ramp
        recipe = load_enhance("enhance/old_photo", ["max_output_megapixels=2000"], steps=steps)
        plan = EnhancePlan.of(recipe, folder / "large.png", folder / "out", choose("cpu"))
        job, chain = Job(folder / "large.png", folder / "out" / "large"), plan.chain()
        torch.set_num_threads(1)
        began = time.perf_counter()
        row = write_one(job, work_one(read_one(job, plan), chain, plan), plan)
        assert row["status"] == "done", row
        seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    buffers = side**2 * 3 * (1 + SCALE**2) / 2**20
    return {
        "peak_mib": round(peak),
        "buffers_mib": round(buffers),
        "beyond_mib": round(peak - buffers),
        "seconds": round(seconds, 1),
    }


class Clock(Silence):
    """Records when each picture was finished."""

    def __init__(self) -> None:
        self.began, self.times = time.perf_counter(), list[float]()

    def advance(self, note: str = "") -> None:
        self.times.append(time.perf_counter() - self.began)

    def rates(self) -> dict[str, float]:
        """Seconds to the first picture, networks' loading included, and pictures a second then."""
        rate = (len(self.times) - 1) / (self.times[-1] - self.times[0])
        return {"first_s": round(self.times[0], 1), "pictures_per_second": round(rate, 2)}


@torch.inference_mode()
def plain_loop(files: list[Path], out: Path, clock: Clock) -> None:
    """Read, enlarge, find the face, restore it, paste it, write: a script of thirty lines."""
    out.mkdir()
    models = [ENHANCERS[kind](kind=kind).model(CPU) for kind in ("esrgan", "gfpgan")]
    (large, face), side = (model.net for model in models), models[1].size
    assert side is not None
    for file in files:
        picture = to_tensor(np.array(Image.open(file).convert("RGB")))
        pixels = to_pixels(large((picture + 1) / 2) * 2 - 1)
        scale = max(SMALLEST / pixels.shape[0], 1)
        enlarged = np.asarray(cv2.resize(pixels, None, fx=scale, fy=scale), np.uint8)
        for detected in FaceFinder().find(enlarged):
            quad = quad_of(detected.landmarks.astype(np.float64)).scaled(1 / scale)
            restored = face(to_tensor(crop_face(pixels, quad, side)))
            pixels = paste_face(pixels, to_pixels(restored), quad)
        Image.fromarray(pixels).save(out / file.name)
        clock.advance()


def speed(count: int, workers: int, steps: str = "esrgan,gfpgan") -> dict[str, Any]:
    """Both, one after the other, with the same networks."""
    result: dict[str, Any] = {"pictures": count, "cores": cores()}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        degrade(count, folder / "degraded")
        clock = Clock()
        plain_loop(sorted((folder / "degraded").glob("*.png")), folder / "plain", clock)
        result["plain loop"] = clock.rates()
        for label, settings in (("unguarded", ("guard.on=false",)), ("guarded", ())):
            for number in sorted({1, workers}):
                clock = Clock()
                recipe = load_enhance("enhance/old_photo", settings, steps=steps)
                out = folder / f"{label}{number}"
                plan = EnhancePlan.of(recipe, folder / "degraded", out, choose("cpu"))
                enhance_folder(plan, clock, workers=number)
                result[f"{label}, {number} processes"] = clock.rates()
    return result


def shards(files: list[Path]) -> Rows:
    """The figures of several runs over different people as one."""
    parts = [dict(np.load(file)) for file in files]
    return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("what", nargs="*", default=["quality", "memory", "speed"])
    parser.add_argument("--people", type=int, default=200)
    parser.add_argument("--first", type=int, default=FIRST, help="the first of them")
    parser.add_argument("--rows", type=Path, help="keep the figures of every picture here (.npz)")
    parser.add_argument("--join", type=Path, nargs="+", help="sum up kept figures instead")
    parser.add_argument("--pictures", type=int, default=60)
    parser.add_argument("--megapixels", type=int, default=4)
    parser.add_argument("--steps", default=STEPS, help="of `memory`")
    parser.add_argument("--workers", type=int, default=cores())
    options = parser.parse_args()
    os.environ.setdefault("TM_OFFLINE", "1")
    if options.join:
        print(json.dumps(summary(shards(options.join)), indent=2))
        return
    if options.what == ["one"]:
        print(json.dumps(one(options.megapixels, options.steps)))
        return
    result: dict[str, Any] = {}
    if "quality" in options.what:
        rows = quality(options.people, options.first, options.workers)
        if options.rows is not None:
            np.savez(options.rows, **rows)
        result["quality"] = summary(rows)
    if "memory" in options.what:
        result["memory"] = memory(options.steps)
    if "speed" in options.what:
        result["speed"] = speed(options.pictures, options.workers)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
