"""The pictures of the pages under `docs/concepts`: drawn people, shipped networks, stored reports.

python benchmarks/concept_pictures.py [NAME ...]
"""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import cv2
import matplotlib
import numpy as np
import torch
from matplotlib.figure import Figure
from PIL import Image

from engine.app.infer import InferRequest, infer
from engine.app.prep import AlignRequest, SynthRequest, align, synth
from engine.app.recipe import read_schedule
from engine.enhance.face_evaluators import PhotoFaceEvaluator
from engine.images.reading import read_picture
from engine.nets.named import load_identity_network

ROOT = Path(__file__).parents[1]
OUT = ROOT / "docs" / "concepts"
PERSON, STRANGERS = 900_000, 450_000
BLUE, ORANGE, GREY = "#2a62c4", "#c4561f", "#86898f"
CPU = torch.device("cpu")


def alignment(folder: Path) -> None:
    """A picture as it comes with box, landmarks and quad, beside the aligned face."""
    made = SynthRequest(out=folder / "photos", people=1, seed=PERSON, per_person=1, ages="35",
                        size=512, unaligned=1.0, workers=1)  # fmt: skip
    synth(made)
    (row,) = align(AlignRequest(source=made.out, out=folder / "al", size=512, workers=1)).rows
    (photo,) = made.out.rglob("*.png")
    picture = read_picture(photo).pixels.copy()
    left, top, right, bottom = (round(side) for side in row.box)
    cv2.rectangle(picture, (left, top), (right, bottom), (255, 255, 255), 1)
    cv2.polylines(picture, [np.array(row.quad, np.int32)], True, (255, 196, 0), 2, cv2.LINE_AA)
    for x, y in row.landmarks:
        cv2.circle(picture, (round(x), round(y)), 3, (64, 220, 255), -1, cv2.LINE_AA)
    aligned = read_picture(folder / "al" / row.output).pixels
    save_jpg("alignment", np.concatenate([picture, aligned], axis=1))


def prior(folder: Path) -> None:
    """One drawn person by the prior in the package, and the truth."""
    made = SynthRequest(out=folder / "photos", people=1, seed=PERSON, per_person=5, ages="20..80",
                        size=128, same_scene=True, workers=1)  # fmt: skip
    synth(made)
    photo = sorted(made.out.rglob("*.png"))[1]
    infer(InferRequest(source=photo, out=folder / "aged", ages=(20, 35, 50, 65, 80), strip=True,
                       settings=[f"truth='{made.out}'"]))  # fmt: skip
    (strip,) = (folder / "aged").glob("*_strip.png")
    save_jpg("prior", read_picture(strip).pixels)


def mining(folder: Path) -> None:
    """Cosines of one face to strangers of every age, the window, the band, and who is picked."""
    made = SynthRequest(out=folder / "people", people=60, seed=STRANGERS, per_person=8, size=128,
                        ages="10..85", staggered=True, workers=1)  # fmt: skip
    synth(made)
    own = SynthRequest(out=folder / "own", people=1, seed=PERSON, per_person=1, ages="45",
                       size=128, workers=1)  # fmt: skip
    synth(own)
    network = load_identity_network("nano-identity", CPU)
    (face,) = embedded(network, sorted(own.out.rglob("*.png")))
    files = sorted(made.out.rglob("*.png"))
    cosines = (embedded(network, files) @ face).numpy()
    ages = np.array([float(path.name.partition("_")[0]) for path in files])
    low, high, width = 0.05, 0.76, 5.0
    within = (abs(ages - 47.5) <= width / 2) & (cosines >= low) & (cosines <= high)
    figure, axis = plain("age of the stranger", "cosine to the face")
    axis.axvspan(45, 50, color=BLUE, alpha=0.1)
    axis.axhspan(low, high, color=ORANGE, alpha=0.08)
    axis.scatter(ages[~within], cosines[~within], s=9, color=GREY, alpha=0.5, linewidths=0)
    axis.scatter(ages[within], cosines[within], s=26, color=ORANGE, linewidths=0)
    save_svg("mining", figure)


def schedules(_: Path) -> None:
    """A stepped, a linear, a cosine and a chained schedule."""
    shown = {
        '"0:0.05, 20k:0.07, 36k:0.05"': BLUE,
        '{ kind = "linear", start = 0.02, end = 0.08, steps = 30000 }': ORANGE,
        '{ kind = "cosine", start = 0.1, end = 0.01, warmup = 3000, steps = 45000 }': GREY,
    }
    figure, axis = plain("step", "value")
    steps = range(0, 45_001, 150)
    for text, colour in shown.items():
        schedule = read_schedule(text.strip('"'))
        axis.plot(steps, [schedule.at(step) for step in steps], color=colour, label=text)
    axis.legend(fontsize=7, frameon=False, loc="upper center", bbox_to_anchor=(0.5, 1.28))
    save_svg("schedules", figure)


def guard(_: Path) -> None:
    """Identity and age of a face, the more strength a restoration gets; smoothed as an example."""
    evaluator = PhotoFaceEvaluator(CPU)
    face = read_picture(ROOT / "engine" / "shipped" / "composites" / "42_man.jpg").pixels
    side = min(face.shape[:2])
    face = cv2.resize(face[:side, :side], (256, 256), interpolation=cv2.INTER_AREA)
    smooth = cv2.bilateralFilter(face, 15, 90, 15).astype(np.float32)
    strengths = np.linspace(0, 1, 9)
    faces = [np.uint8((1 - s) * face + s * smooth + 0.5) for s in strengths]
    measured = [evaluator.measure(one) for one in faces]
    identity = [evaluator.similarity(measured[0], one) for one in measured]
    drift = [one.age - measured[0].age for one in measured]
    figure, axis = plain("strength of the step", "years of drift")
    axis.axhspan(-2, 2, color=BLUE, alpha=0.1)
    axis.plot(strengths, drift, "o-", color=BLUE, label="estimated age, within 2 years")
    other = axis.twinx()
    other.axhline(0.6, color=ORANGE, linestyle=":")
    other.plot(strengths, identity, "o-", color=ORANGE, label="identity, above 0.6")
    other.set_ylim(0, 1.05)
    other.set_ylabel("identity", fontsize=8)
    figure.legend(fontsize=7, frameon=False, loc="upper center", ncols=2)
    save_svg("guard", figure)


def evaluators(_: Path) -> None:
    """How far the estimated age follows the target, by three networks, of which one set gains."""
    report = json.loads((ROOT / "docs" / "reports" / "photo-judged.json").read_text())
    figure, axis = plain("share of the slope on true ages", "")
    names = list(report["networks"])
    for place, name in enumerate(names):
        mean, low, high = report["networks"][name]["share_of_own_slope"]
        independent = report["networks"][name]["role"].startswith("in no")
        axis.plot([low, high], [place, place], color=BLUE if independent else GREY, linewidth=4)
        axis.plot([mean], [place], "o", color=BLUE if independent else GREY, markersize=9)
    axis.set_yticks(range(len(names)), names)
    axis.set_xlim(0, 1.1)
    axis.axvline(1, color=GREY, linestyle=":")
    axis.axvline(0, color=ORANGE)
    axis.set_ylim(-0.6, len(names) - 0.4)
    save_svg("evaluators", figure)


def embedded(network: Any, files: list[Path]) -> torch.Tensor:
    """Unit embeddings (n, width) of pictures."""
    pixels = np.stack([read_picture(path).pixels for path in files])
    faces = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1
    with torch.no_grad():
        return torch.cat([network.embed(some) for some in faces.split(32)]).float()


def plain(across: str, up: str) -> tuple[Figure, Any]:
    """A figure with one plain axis."""
    figure = Figure(figsize=(6, 3))
    axis = figure.add_axes((0.12, 0.16, 0.78, 0.66))
    axis.set_xlabel(across, fontsize=8)
    axis.set_ylabel(up, fontsize=8)
    axis.tick_params(labelsize=8)
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)
    return figure, axis


def save_svg(name: str, figure: Figure) -> None:
    """Save without a date, so that the same figures give the same file."""
    with matplotlib.rc_context({"svg.hashsalt": "tm", "svg.fonttype": "none"}):
        figure.savefig(OUT / f"{name}.svg", metadata={"Date": None}, facecolor="white")


def save_jpg(name: str, pixels: np.ndarray) -> None:
    """Save at 1,000 px at most."""
    picture = Image.fromarray(pixels)
    picture.thumbnail((1000, 1000), Image.Resampling.LANCZOS)
    picture.save(OUT / f"{name}.jpg", quality=88)


PICTURES = (alignment, prior, mining, schedules, guard, evaluators)


def main() -> None:
    """Make those that are named, else all."""
    OUT.mkdir(exist_ok=True)
    for make in PICTURES:
        if len(sys.argv) == 1 or make.__name__ in sys.argv[1:]:
            with tempfile.TemporaryDirectory() as folder:
                make(Path(folder))


if __name__ == "__main__":
    main()
