"""What the nano enlarger gains over bicubic interpolation, by world and by kind of damage.

    python benchmarks/enlarger.py [--weights nano-x2] [--portraits DIR] [--people 24] [--side 256]

Drawn portraits of people and landscapes of no training, and with `--portraits` photographs of
`test` people, are halved and damaged as the table says, then doubled; PSNR to the truth in dB, the
gain with its 95 % interval over people. Sigma is in px of the truth; noise in levels of 255.
"""

import argparse
import csv
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from engine.core.digest import file_sha256
from engine.core.progress import Silence
from engine.data.landscapes import WorldPlan
from engine.data.landscapes import rendered as rendered_landscapes
from engine.data.portraits import PortraitPlan, rendered
from engine.enhance.models import read_model
from engine.images.ranges import to_pixels, to_tensor
from engine.images.raster import enlarged_plane
from engine.metrics.bootstrap import mean_interval
from engine.metrics.pixels import psnr
from engine.weights.find import find_weights

FIRST_PERSON, FIRST_SCENE, SEED, SCALE = 935_000, 935_000, 5, 2
Pixels = NDArray[np.uint8]


class Damage(NamedTuple):
    """Blur before halving, noise and JPEG after it; 0: none."""

    blur: float = 0.0
    noise: float = 0.0
    jpeg: int = 0

    def apply(self, truth: Pixels, random: np.random.Generator) -> Pixels:
        """A picture (h, w, 3) of even sides at half its size, damaged."""
        picture = cv2.GaussianBlur(truth, (0, 0), self.blur) if self.blur else truth
        size = truth.shape[1] // SCALE, truth.shape[0] // SCALE
        picture = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.float64)
        picture += self.noise * random.standard_normal(picture.shape)
        levels = np.rint(np.clip(picture, 0, 255)).astype(np.uint8)
        if not self.jpeg:
            return levels
        _, file = cv2.imencode(".jpg", levels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, self.jpeg])
        back = cv2.imdecode(file, cv2.IMREAD_COLOR)
        assert back is not None
        return np.ascontiguousarray(back[..., ::-1]).astype(np.uint8)


DAMAGES: Mapping[str, Damage] = {
    "halved": Damage(),
    "JPEG 90": Damage(jpeg=90),
    "JPEG 60": Damage(jpeg=60),
    "JPEG 30": Damage(jpeg=30),
    "blur 1": Damage(blur=1.0),
    "blur 2": Damage(blur=2.0),
    "blur 1, JPEG 90": Damage(blur=1.0, jpeg=90),
    "blur 1, JPEG 60": Damage(blur=1.0, jpeg=60),
    "blur 2, JPEG 60": Damage(blur=2.0, jpeg=60),
    "noise 4": Damage(noise=4.0),
    "noise 10": Damage(noise=10.0),
    "blur 1, noise 4, JPEG 60": Damage(blur=1.0, noise=4.0, jpeg=60),
}


def gains(net: torch.nn.Module, truths: list[Pixels]) -> dict[str, Any]:
    """PSNR of both and the gain with its interval, by damage."""
    result: dict[str, Any] = {}
    for name, damage in DAMAGES.items():
        random, rows = np.random.default_rng(SEED), list[tuple[float, float]]()
        for truth in truths:
            small, target = damage.apply(truth, random), to_tensor(truth)
            with torch.inference_mode():
                made = to_pixels(net((to_tensor(small) + 1) / 2) * 2 - 1)
            pair = to_tensor(enlarged_plane(small, SCALE)), to_tensor(made)
            rows.append((float(psnr(pair[0], target)), float(psnr(pair[1], target))))
        bicubic, ours = np.array(rows).T
        gain = mean_interval(ours - bicubic, groups=range(len(rows)))
        result[name] = {
            "bicubic": round(float(bicubic.mean()), 2),
            "enlarged": round(float(ours.mean()), 2),
            "gain": [round(value, 2) for value in gain],
        }
    return result


def photographs(folder: Path, people: int) -> list[Pixels]:
    """Photographs of 2015 of `test` people, seeded choice, their sides even."""
    with (folder / "people.csv").open(encoding="utf-8") as file:
        paths = sorted(
            row["path"] for row in csv.DictReader(file)
            if row["split"] == "test" and row["path"].startswith("2015/")
        )  # fmt: skip
    chosen = np.random.default_rng(SEED).permutation(len(paths))[:people]
    pictures = [np.asarray(Image.open(folder / paths[i]).convert("RGB")) for i in chosen]
    return [p[: p.shape[0] // 2 * 2, : p.shape[1] // 2 * 2] for p in pictures]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--weights", default="nano-x2")
    parser.add_argument("--portraits", type=Path)
    parser.add_argument("--people", type=int, default=24)
    parser.add_argument("--side", type=int, default=256)
    options = parser.parse_args()
    torch.set_num_threads(1)
    file = find_weights(options.weights)
    net = read_model(file).net
    people = PortraitPlan(
        first=FIRST_PERSON, people=options.people, scenes=1, ages=1, size=options.side
    )
    scenes = WorldPlan(first=FIRST_SCENE, count=options.people, size=options.side)
    worlds = {
        "portraits": list(rendered(people, Silence()).pictures),
        "landscapes": list(rendered_landscapes(scenes, Silence()).pictures),
    }
    if options.portraits is not None:
        worlds["photographs"] = photographs(options.portraits, options.people)
    else:
        print("photographs skipped: no `--portraits`", file=sys.stderr)
    result = {name: gains(net, pictures) for name, pictures in worlds.items()}
    facts = {"weights_sha256": file_sha256(file), "people": options.people, "side": options.side}
    print(json.dumps({**facts, **result}, indent=1))


if __name__ == "__main__":
    main()
