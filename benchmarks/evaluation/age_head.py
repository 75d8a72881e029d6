"""Fit of the expert `dlib-age`: a ridge regression of age on what dlib's descriptor network sees.

The penalty is chosen by the error on held-out people of the fit, as were the features: the pooled
last map alone is off by 5.6 years, with the earlier map 5.3. Left out though it took .1 off: the
lightness of the aligned square on a grid, of which the corners, where no face is, helped as much as
the face does; that is the backdrop of these portraits. What ships is one line of 768 weights, with
the standardising folded in.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from engine.experts.base import Faces
from engine.experts.kinds.dlib_age import DlibAgeTable
from engine.experts.network import CONFIDENCE_SCALE
from engine.nets.loading import frozen
from engine.nets.photos.crops import dlib_chip
from engine.nets.photos.dlib_age import FEATURES, DlibAge
from engine.nets.photos.dlib_resnet import SIZE
from engine.nets.photos.estimator import mirrored_views
from engine.relabel.faces import FaceReading, detect_face
from engine.relabel.source import Job
from engine.runtime.pool import in_processes
from engine.weights.checkpoint import Checkpoint
from engine.weights.native import save_native
from engine.weights.tensors import tensors_sha256

LAST, MAP_WEIGHT = 256, 1.2
"""Features of the last map, and the weight of the earlier map's as a group beside them."""
PENALTIES = (0.3, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0)
FOLDS, DRAWS, BATCH = 10, 3, 16
Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """Features (n, v, 768) of the v views of n faces, ages and people (n,), and their files."""

    views: Numbers
    age: Numbers
    person: NDArray[np.str_]
    files: tuple[str, ...]


def seen(portraits: Path, rows: Sequence[Mapping[str, str]], workers: int) -> Seen:
    """The views of every face that is found in the pictures of `people.csv`."""
    jobs = [Job(row["path"], portraits / row["path"]) for row in rows]
    work = partial(detect_face, reading=FaceReading(), bodies=False)
    loaded = {
        outcome.item.name: outcome.result for outcome in in_processes(work, jobs, workers=workers)
    }
    known = [
        (row, one)
        for row in rows
        if (one := loaded[row["path"]]) is not None and one.face is not None
    ]
    net = frozen(DlibAge.from_head({"weight": torch.zeros(1, FEATURES), "bias": torch.zeros(1)}))
    places = [partial(dlib_chip, size=SIZE, padding=m) for m in DlibAgeTable().margins]
    parts: list[Numbers] = []
    for at in range(0, len(known), BATCH):
        some = [one for _, one in known[at : at + BATCH]]
        faces = Faces(
            [one.face for one in some if one.face is not None], (), [one.landmarks for one in some]
        )
        with torch.inference_mode():
            views = [
                part
                for view in mirrored_views(faces.crops, places)
                for part in net.features(view).chunk(2)
            ]
        parts.append(torch.stack(views, dim=1).double().numpy())
    return Seen(
        np.concatenate(parts),
        np.array([float(row["age"]) for row, _ in known]),
        np.array([row["person"] for row, _ in known]),
        tuple(row["path"] for row, _ in known),
    )


def line(features: Numbers, age: Numbers, penalty: float) -> tuple[Numbers, float]:
    """Weights (768,) and offset of the ridge regression of ages (n,) on features (n, 768)."""
    mean, spread = features.mean(axis=0), features.std(axis=0) + 1e-6
    group = np.full(FEATURES, MAP_WEIGHT / np.sqrt(FEATURES - LAST))
    group[:LAST] = 1 / np.sqrt(LAST)
    scale = group / spread
    x = (features - mean) * scale
    dual = np.linalg.solve(x @ x.T + penalty * np.eye(len(x)), age - age.mean())
    weights = (x.T @ dual) * scale
    return weights, float(age.mean() - mean @ weights)


def held_out(people: Seen, penalty: float, draw: int) -> Numbers:
    """Years (n, v) of each view by lines that were fitted without that person."""
    names = np.unique(people.person)
    order = np.random.default_rng(draw).permutation(len(names)) % FOLDS
    fold = order[np.searchsorted(names, people.person)]
    features, years = people.views.mean(axis=1), np.empty(people.views.shape[:2])
    for number in range(FOLDS):
        own = fold == number
        weights, offset = line(features[~own], people.age[~own], penalty)
        years[own] = people.views[own] @ weights + offset
    return years


def fit_head(people: Seen, output: Path, what: str) -> dict[str, list[float]]:
    """Write what ships; returns held-out years, spread and confidence by file."""
    errors = {
        penalty: float(
            np.mean(
                [
                    np.abs(held_out(people, penalty, draw).mean(axis=1) - people.age).mean()
                    for draw in range(DRAWS)
                ]
            )
        )
        for penalty in PENALTIES
    }
    penalty = min(errors, key=errors.__getitem__)
    weights, offset = line(people.views.mean(axis=1), people.age, penalty)
    card: dict[str, Any] = {
        "what": "A line from 768 features of dlib's face descriptor network to an age.",
        "made_by": "benchmarks/relabel_photos.py --fit",
        "people": what,
        "faces": len(people.age),
        "penalty": penalty,
        "held_out_mae": errors,
        "licence": "MIT",
        "limits": "adults of 25 to 93, mostly white, studio light; drawn towards their middle",
    }
    state = {
        "weight": torch.from_numpy(weights[None]).float(),
        "bias": torch.tensor([offset], dtype=torch.float32),
    }
    card["tensors_sha256"] = tensors_sha256({f"age/{name}": x for name, x in state.items()})
    save_native(output, Checkpoint("native", {"age": state}, card=card))
    views = held_out(people, penalty, 0)
    spread = views.std(axis=1, ddof=1)
    rows = np.stack([views.mean(axis=1), spread, np.exp(-spread / CONFIDENCE_SCALE)], axis=1)
    return dict(zip(people.files, rows.tolist(), strict=True))
