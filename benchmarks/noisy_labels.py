"""What `tm relabel` is worth to a training: an AgeTransformer from labels of which some are wrong.

Faces of people whom no expert has met; a fifth of their labels is off by 10 to 30 years. Trainings
at the same budget and seed, with the terms of `agetransformer/base`, examined as by
`benchmarks/agetransformer.py exam`:

    true         the true ages
    given        the labels as they are
    audited      the labels that `tm relabel --labels` has nothing against (`trust = "labels"`)
    relabelled   the experts' ages, all taken as right
    reliable     the experts' ages, which count by their reliability and spread

    python benchmarks/noisy_labels.py --out DIR [--faces 3000] [--steps 600] [--seeds 2]
        [--ways true,given,...]
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from engine.core.atomic import write_json, write_text
from engine.core.progress import Silence
from engine.data.portraits import PortraitPlan, rendered
from engine.images.saving import save_png

FIRST = 60_000
"""People of the training range whom neither the experts nor any other network has met."""
WRONG, LEAST, MOST = 0.2, 10.0, 30.0
YOUNGEST, OLDEST = 0.0, 100.0
WAYS = ("true", "given", "audited", "relabelled", "reliable")
ROOT = Path(__file__).resolve().parent
RECIPE = """
kind = "agetransformer"
about = "AgeTransformer from labelled faces, small"
size = 64
batch = 12
seed = {seed}
threads = 1
precision = "bfloat16"
average = {{ decay = 0.99 }}
photos = "faces"
labels = "{way}.json"
reliability = {reliability}
trust = "{trust}"
validate_every = {steps}
sample_every = {steps}
save_every = 100
log_every = 50

[[phase]]
name = "picture"
steps = {steps}
clip = 5.0
optimizer = {{ kind = "adam", betas = [0.5, 0.99] }}
rate = {{ kind = "cosine", start = 1e-3, end = 5e-5 }}
[phase.optimizers]
discriminator = {{ kind = "adam", betas = [0.0, 0.99] }}

[networks]
identity = "nano-identity"
age = "nano-age"
perceptual = "nano-identity-features"
age_evaluator = "nano-age-evaluator"

[curriculum]
steps = {third}

[net]
stem = 12
widths = [32, 64, 128]
decoder_widths = [16, 32, 64]
blocks = 2
convolved = 1
style = 96
shared_channels = 12
discriminator = [32, 64, 96]

[loss]
age = 8.0
age_class = 0.3
identity = 0.3
reconstruction = 4.0
cycle = 4.0
cycle_every = 2
perceptual = 1.0
r1 = 0.1
"""


def prepared(out: Path, count: int) -> None:
    """Faces, and what the labels of each way say of them."""
    plan = PortraitPlan(first=FIRST, people=count, scenes=1, ages=1, size=128)
    portraits = rendered(plan, Silence())
    names = [f"{person:06d}.png" for person in portraits.people.tolist()]
    for name, pixels in zip(names, portraits.pictures, strict=True):
        if not (out / "faces" / name).is_file():
            save_png(out / "faces" / name, np.asarray(pixels), {"made": "rendered"})
    truth = portraits.ages.astype(float)
    given = corrupted(truth)
    for way, ages in (("true", truth), ("given", given)):
        write_json(out / f"{way}.json", {"labels": label_rows(names, ages)})
    rows = [f"faces/{name},{age}\n" for name, age in zip(names, given.tolist(), strict=True)]
    write_text(out / "given.csv", "path,age\n" + "".join(rows))
    asked = ("relabel", "faces", "--aligned", "--labels", "given.csv", "-q")
    _tm(*asked, "--out", "audited.json", at=out)
    _tm(*asked[:3], "-q", "--out", "relabelled.json", at=out)
    write_text(out / "reliable.json", (out / "relabelled.json").read_text())


def corrupted(truth: np.ndarray) -> np.ndarray:
    """Labels (n,), a fifth of them off by 10 to 30 years."""
    draw = np.random.default_rng(8)
    labels = truth.copy()
    for at in draw.permutation(len(truth))[: round(WRONG * len(truth))]:
        by = draw.uniform(LEAST, MOST) * np.array([-1.0, 1.0])
        labels[at] = draw.choice([a for a in truth[at] + by if YOUNGEST <= a <= OLDEST])
    return labels


def label_rows(names: list[str], ages: np.ndarray) -> Mapping[str, Mapping[str, Any]]:
    """Labels in the shape of `tm relabel`, all of them sure."""
    sure = {"age_std": 0.0, "reliability": 1.0, "keep": True}
    return {
        name: {"source": f"faces/{name}", "age": float(age), **sure}
        for name, age in zip(names, ages, strict=True)
    }


def trained(out: Path, way: str, seed: int, steps: int) -> dict[str, Any]:
    """The exam of a training that is begun, taken up, or there already."""
    run, recipe = out / f"{way}-{seed}", out / f"{way}-{seed}.toml"
    how = {"reliability": str(way == "reliable").lower()}
    how["trust"] = "labels" if way == "audited" else "experts"
    words = RECIPE.format(way=way, seed=seed, steps=steps, third=steps // 3, **how)
    write_text(recipe, words)
    if run.is_dir():
        _tm("resume", run.name, "-q", at=out)
    else:
        _tm("train", "--recipe", f"./{recipe.name}", "--out", run.name, "-q", at=out)
    command = [sys.executable, ROOT / "agetransformer.py", "exam", "--weights", run, "--dlib", "20"]
    done = subprocess.run([*command, "--out", run / "exam"], check=True, stdout=subprocess.PIPE)
    return json.loads(done.stdout)


def _tm(*words: str, at: Path) -> None:
    subprocess.run([sys.executable, "-m", "tm", *words], cwd=at, check=True)


def main() -> None:
    asked = argparse.ArgumentParser(description="Trainings by labels of which some are wrong.")
    asked.add_argument("--out", type=Path, required=True)
    asked.add_argument("--faces", type=int, default=3000)
    asked.add_argument("--steps", type=int, default=600)
    asked.add_argument("--seeds", type=int, default=2)
    asked.add_argument("--ways", default=",".join(WAYS))
    chosen = asked.parse_args()
    out: Path = chosen.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    prepared(out, chosen.faces)
    for seed in range(1, chosen.seeds + 1):
        for way in chosen.ways.split(","):
            exam = trained(out, way, seed, chosen.steps)
            output, who = exam["output"], exam["identity"]
            row = {"way": way, "seed": seed, "age_mae": output["age_mae"]}
            row |= {key: output[key] for key in ("ordered", "spearman", "mean_age", "psnr")}
            print(json.dumps(row | {"identity": who["output_to_truth"]}), flush=True)


if __name__ == "__main__":
    main()
