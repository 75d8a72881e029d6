"""`tm enhance` measured: does it help, does it stay the person, how much memory, how fast.

    quality  the nano chain on spoilt drawn portraits of people nobody was trained on, against the
             truth, bicubic enlargement, and itself without the guard
    memory   peak beyond the input and output buffers at 4, 16 and 64 megapixels
    speed    pictures a second against the plain loop around the same networks: read, enlarge, find
             the face, restore it, paste it, write, one picture after the other

Spoilt with the second-order model of Real-ESRGAN at the severity of `nano/x2`, by chances that no
training has seen. Age and identity are judged by networks that neither train nor guard: the nano
age judge and dlib.
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
from engine.enhance.recipe import load_enhance
from engine.evaluators.photographs import DRAWN_IMPOSTOR_DISTANCE
from engine.faces.crop import crop_face
from engine.faces.descriptor import SMALLEST as SEEN
from engine.faces.descriptor import describe_aligned
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
PERCEPTUAL = "nano-judge-features"
Rows = dict[str, np.ndarray]
LARGE = (4, 16, 64)


def spoil(people: int, folder: Path, *, first: int = FIRST) -> tuple[np.ndarray, PortraitSet]:
    """Write spoilt portraits (64 px) of `people`; returns them and the set of their truths."""
    plan = PortraitPlan(first=first, people=people, scenes=1, ages=1, span="10..90", size=SIDE)
    truth = rendered(plan, Silence())
    how, half = Degradation(severity=SEVERITY), (SIDE // SCALE, SIDE // SCALE)
    spoilt = [degraded_pixels(truth.pictures[i], how, half, first + i) for i in range(people)]
    folder.mkdir(parents=True)
    for i, pixels in enumerate(spoilt):
        Image.fromarray(pixels).save(folder / f"{i:04d}.png")
    return np.stack(spoilt), truth


def enhanced(source: Path, out: Path, count: int, *settings: str, workers: int) -> np.ndarray:
    """What the command makes of the folder."""
    recipe = load_enhance("enhance/old_photo", settings, steps=STEPS)
    plan = recipe.plan(source, out, choose("cpu"))
    report = enhance_folder(plan, "", Silence(), workers=workers)
    if report.count("done") != count:
        raise SystemExit(f"{report.count('done')} of {count} were enhanced")
    return np.stack([np.asarray(Image.open(out / f"{i:04d}.png")) for i in range(count)])


def quality(people: int, first: int, workers: int) -> Rows:
    """Figures of every picture, every way against the truth: `way/figure` to (people,)."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = folder / "spoilt"
        spoilt, truth = spoil(people, source, first=first)
        ways = {
            "bicubic": np.stack([enlarged_plane(pixels, SCALE) for pixels in spoilt]),
            "guarded": enhanced(source, folder / "on", people, workers=workers),
            "unguarded": enhanced(
                source, folder / "off", people, "guard.on=false", workers=workers
            ),
        }
        papers = [json.loads(p.read_text("utf-8")) for p in sorted((folder / "on").glob("*.json"))]
    rows = _measured(ways, truth)
    rows["guard/faces"] = np.array([float(told["faces"] > 0) for told in papers])
    rows["guard/drawn"] = np.array([float(told["domain"] == "portraits") for told in papers])
    for step, kind in enumerate(STEPS.split(",")):
        rows[f"guard/{kind}"] = np.array([told["steps"][step]["strength"] for told in papers])
    return rows


@torch.inference_mode()
def _measured(ways: dict[str, np.ndarray], truth: PortraitSet) -> Rows:
    judge, distance = load_age_estimator("nano-age-judge", CPU), load_distance(PERCEPTUAL, CPU)
    points, clean = np.asarray(truth.landmarks), to_tensors(np.array(truth.pictures))
    real = _described(truth.pictures, points)
    rows: Rows = {"truth/years": torch.cat([judge.years(p) for p in clean.split(50)]).numpy()}
    for name, pixels in ways.items():
        made = to_tensors(pixels)
        pairs = list(zip(made.split(50), clean.split(50), strict=True))
        apart = np.linalg.norm(_described(pixels, points) - real, axis=1)
        rows |= {
            f"{name}/psnr": psnr(made, clean).numpy(),
            f"{name}/perceptual": torch.cat([distance(a, b) for a, b in pairs]).numpy(),
            f"{name}/years": torch.cat([judge.years(a) for a, _ in pairs]).numpy(),
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
    told: dict[str, Any] = {"people": len(rows["truth/years"]), "perceptual_by": PERCEPTUAL}
    for way in ("bicubic", "guarded", "unguarded"):
        moved = rows[f"{way}/years"] - rows["bicubic/years"]
        off = rows[f"{way}/years"] - rows["truth/years"]
        energy = {k.partition(" ")[2]: v for k, v in rows.items() if k.startswith(f"{way}/energy")}
        logs = [np.nanmean(np.abs(np.log(np.maximum(v, 1e-6)))) for v in energy.values()]
        told[way] = {
            "psnr": _mean(rows[f"{way}/psnr"]),
            "perceptual": _mean(rows[f"{way}/perceptual"], 5),
            "energy_of_truth": {
                name: round(float(np.nanmedian(v)), 3) for name, v in energy.items()
            },
            # Twice too much and half too little are equally off.
            "energy_off": round(float(np.mean(logs)), 3),
            "identity_to_truth": _mean(rows[f"{way}/identity"]),
            "identity_drop": _mean(rows["bicubic/identity"] - rows[f"{way}/identity"]),
            "age_drift": _mean(moved),
            "age_drift_abs": _mean(np.abs(moved)),
            "age_off_truth": _mean(off),
            "age_off_truth_abs": _mean(np.abs(off)),
        }
    told["guard"] = {
        key.removeprefix("guard/"): {"mean": _mean(v), "full": round(float((v == 1).mean()), 3)}
        for key, v in rows.items()
        if key.startswith("guard/")
    }
    return told


def _mean(values: np.ndarray, digits: int = 3) -> float:
    return round(float(np.mean(values)), digits)


def memory(steps: str) -> dict[str, Any]:
    """Peak memory of a process that enhances one picture, beyond both of its buffers, in MiB."""
    told: dict[str, Any] = {}
    for megapixels in LARGE:
        line = [sys.executable, __file__, "one", "--megapixels", str(megapixels), "--steps", steps]
        done = subprocess.run(line, capture_output=True, text=True, check=True)
        told[str(megapixels)] = json.loads(done.stdout)
    return told


def one(megapixels: int, steps: str) -> dict[str, Any]:
    """Enhance a picture of noise and steps in this process, and tell its peak."""
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
        plan = recipe.plan(folder / "large.png", folder / "out", choose("cpu"))
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
    """Notes when each picture was done."""

    def __init__(self) -> None:
        self.began, self.times = time.perf_counter(), list[float]()

    def advance(self, note: str = "") -> None:
        self.times.append(time.perf_counter() - self.began)

    def told(self) -> dict[str, float]:
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
        scale = max(SEEN / pixels.shape[0], 1)
        seen = np.asarray(cv2.resize(pixels, None, fx=scale, fy=scale), np.uint8)
        for found in FaceFinder().find(seen):
            quad = quad_of(found.landmarks.astype(np.float64)).scaled(1 / scale)
            restored = face(to_tensor(crop_face(pixels, quad, side)))
            pixels = paste_face(pixels, to_pixels(restored), quad)
        Image.fromarray(pixels).save(out / file.name)
        clock.advance()


def speed(count: int, workers: int, steps: str = "esrgan,gfpgan") -> dict[str, Any]:
    """Both ways in turn, the same networks."""
    told: dict[str, Any] = {"pictures": count, "cores": cores()}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        spoil(count, folder / "spoilt")
        clock = Clock()
        plain_loop(sorted((folder / "spoilt").glob("*.png")), folder / "plain", clock)
        told["plain loop"] = clock.told()
        for label, settings in (("unguarded", ("guard.on=false",)), ("guarded", ())):
            for number in sorted({1, workers}):
                clock = Clock()
                recipe = load_enhance("enhance/old_photo", settings, steps=steps)
                plan = recipe.plan(folder / "spoilt", folder / f"{label}{number}", choose("cpu"))
                enhance_folder(plan, "", clock, workers=number)
                told[f"{label}, {number} processes"] = clock.told()
    return told


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
    asked = parser.parse_args()
    os.environ.setdefault("TM_OFFLINE", "1")
    if asked.join:
        print(json.dumps(summary(shards(asked.join)), indent=2))
        return
    if asked.what == ["one"]:
        print(json.dumps(one(asked.megapixels, asked.steps)))
        return
    told: dict[str, Any] = {}
    if "quality" in asked.what:
        rows = quality(asked.people, asked.first, asked.workers)
        if asked.rows is not None:
            np.savez(asked.rows, **rows)
        told["quality"] = summary(rows)
    if "memory" in asked.what:
        told["memory"] = memory(asked.steps)
    if "speed" in asked.what:
        told["speed"] = speed(asked.pictures, asked.workers)
    print(json.dumps(told, indent=2))


if __name__ == "__main__":
    main()
