"""What the photo prior is worth on real people whose ages are known.

Needs a folder of portraits with `people.csv` (path, person, sex, age, age_error, split); without it
everything but `speed` and `score` is skipped. Everybody in it is an adult of 25 to 93, 22 % are
women, most are white, in studio light. FaceRes and face-api take part where
`tm weights pull faceres` and `face-api` were done.

    fit        the prior that ships, on `train` people of 2015, with gains by face-api on some of
               them; without face-api, with those of `--weights`
    judged     seen against asked ages, identity, background: on `test` people by the shipped model,
               or with `--people train` by five folds, each by a fit of the others
    pairs      the earlier of two photographs, aged, against the true later one; five folds
    sheet      a blind sheet to fill in, and its key; `score` reads the answers
    grid       people as they are and at four ages
    composite  the faces of nobody that the demo ages
    speed      seconds and memory of `tm infer`

    python benchmarks/photos.py judged --portraits DIR --cache DIR [--people train] [--most 100]
    python benchmarks/photos.py pairs --portraits DIR --cache DIR [--most 50]
    python benchmarks/photos.py sheet --portraits DIR --out DIR; ... score --out DIR
"""

import argparse
import json
import random
import re
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from evaluation.photos.composite import CHOICES, composite, likeness, members, save_composite
from evaluation.photos.judged import TARGETS, figures, judge_across, judge_shipped
from evaluation.photos.models import Fits
from evaluation.photos.networks import Networks
from evaluation.photos.pair_figures import pair_figures
from evaluation.photos.pairs import pair_rows
from evaluation.photos.portraits import FITTED, LATER, TABLE, Cache, Portrait, read_portraits
from evaluation.photos.sheet import questions, save_sheet, scored
from evaluation.photos.speed import FOLDER, speed

from engine.images.saving import save_png
from engine.photo.ageing import age_subject
from engine.photo.model import PhotoModel, load_photo_model, save_photo_model
from engine.photo.subject import prepare_subject

SHIPPED = Path(__file__).parents[1] / "engine/shipped"
GRID_COLUMNS = 2
Figures = dict[str, Any]


class Task:
    """What was asked for; everything dear is made when it is first needed."""

    def __init__(self, chosen: argparse.Namespace) -> None:
        self.chosen = chosen
        self.cache = Cache(chosen.cache)

    @cached_property
    def everyone(self) -> list[Portrait]:
        """All portraits of both editions."""
        return read_portraits(self.chosen.portraits, self.cache, (FITTED, LATER))

    @cached_property
    def networks(self) -> Networks:
        """The networks that measure."""
        return Networks()

    def first(self, split: str) -> list[Portrait]:
        """People of a split in the first edition."""
        return [p for p in self.everyone if p.edition == FITTED and p.split == split]

    def fits(self) -> Fits:
        """Fits with gains by face-api on the fitted people; without it, those of `--weights`."""
        gain = load_photo_model(self.chosen.weights).gain
        return Fits(self.everyone, gain, self.cache, self.networks)

    def fit(self) -> Figures:
        """Fit and save the prior that ships."""
        people = self.first("train")
        model = self.fits().without(set(), train_only=True)
        card: Figures = {
            "what": "ageing prior for photographs: shape, colour, hair and detail by age",
            "fitted_on": "official portraits of members of the United States Congress up to 2015,"
            " public domain; people of the `train` split",
            "people": len(people),
            "women": sum(p.sex == "F" for p in people),
            "ages": [min(p.age for p in people), max(p.age for p in people)],
            "made_by": "python benchmarks/photos.py fit",
            "gain": np.asarray(model.gain).tolist(),
            "person_masks": True,
            "licence": "MIT",
            "limits": "adults of 25 to 90, mostly white, 18 % women, studio light, smiling",
        }
        save_photo_model(self.chosen.out, model, card)
        return card

    def judged(self) -> Figures:
        """Seen against asked ages, and what else changes."""
        train = self.first("train")
        if self.chosen.people == "train":
            judged = judge_across(train, self.fits(), self.networks, self.cache, self.chosen.most)
            how = (
                "five folds over train people; no fit or calibration saw the judged fold; without "
                "the refiner, which saw these people"
            )
        else:
            people = self.first("test")[: self.chosen.most]
            model = load_photo_model(self.chosen.weights)
            judged = judge_shipped(people, train, model, self.networks, self.cache)
            how = "the model in --weights on test people; calibrations by train people"
        return {"how": how, "absent": self.networks.absent, **figures(judged)}

    def pairs(self) -> Figures:
        """The earlier photograph, aged, against the true later one."""
        fits = self.fits()
        shipped = load_photo_model(self.chosen.weights)
        ways: dict[str, tuple[Fits, PhotoModel | None]] = {
            "gain 1": (fits.without_gain(), None),
            "shipped gain": (fits, None),
            "shipped model, test people": (fits, shipped),
        }
        return {
            name: pair_figures(
                pair_rows(self.everyone, one, self.networks, self.cache, self.chosen.most, whole)
            )
            for name, (one, whole) in ways.items()
        }

    def sheet(self) -> Figures:
        """A blind sheet of test people."""
        people = random.Random(self.chosen.seed).sample(self.first("test"), self.chosen.most or 84)
        asked = questions(people, load_photo_model(self.chosen.weights), self.chosen.seed)
        save_sheet(self.chosen.out, asked)
        return {"questions": len(asked), "fill_in": "sheet.html", "key": "key.csv"}

    def score(self) -> Figures:
        """What the answers in `--out` say."""
        return scored(self.chosen.out / "key.csv", self.chosen.out / "answers.csv")

    def grid(self) -> Figures:
        """Test people, each as they are and at four ages, for a person to look at."""
        model = load_photo_model(self.chosen.weights)
        people = random.Random(self.chosen.seed).sample(self.first("test"), self.chosen.most or 24)
        strips = []
        for p in people:
            subject = prepare_subject(p.pixels, p.face.landmarks, model, person=p.mask)
            row = [p.pixels, *(age_subject(subject, p.age, age) for age in TARGETS)]
            strips.append(np.hstack([cv2.resize(picture, (225, 275)) for picture in row]))
        whole = len(strips) // GRID_COLUMNS * GRID_COLUMNS
        rows = [np.hstack(strips[at : at + GRID_COLUMNS]) for at in range(0, whole, GRID_COLUMNS)]
        made = {"synthetic": True, "ages": TARGETS}
        save_png(self.chosen.out, np.vstack(rows).astype(np.uint8), made)
        return {"people": [f"{p.sex} {p.age:.0f}" for p in people], "ages": TARGETS}

    def composite(self) -> Figures:
        """The faces of nobody that the demo ages, named by the mean age of their members."""
        result: Figures = {}
        for name, choice in CHOICES.items():
            people = members(self.first("train"), choice)
            picture = composite(people)
            distances = likeness(picture, people)
            years = float(np.mean([p.age for p in people]))
            card = {
                "synthetic": True,
                "what": f"composite of {len(people)} public-domain portraits, nobody in particular",
                "made_by": "python benchmarks/photos.py composite",
                "mean_age": round(years, 1),
                "least_dlib_distance_to_a_member": round(float(distances.min()), 3),
            }
            self.chosen.out.mkdir(parents=True, exist_ok=True)
            file = self.chosen.out / f"{years:.0f}_{name}.jpg"
            save_composite(file, picture, json.dumps(card))
            result[file.name] = card
        return result

    def speed(self) -> Figures:
        """Seconds and memory of `tm infer`."""
        return speed(SHIPPED / "composites", self.chosen.most or FOLDER)


TASKS: Mapping[str, Callable[[Task], Figures]] = {
    name: getattr(Task, name)
    for name in ("fit", "judged", "pairs", "sheet", "score", "grid", "composite", "speed")
}
WRITES, NEED_PORTRAITS = (
    ("fit", "sheet", "score", "grid", "composite"),
    set(TASKS)
    - {
        "score",
        "speed",
    },
)


def arguments(lines: Iterable[str] | None = None) -> argparse.Namespace:
    """What to measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("what", choices=TASKS)
    parser.add_argument("--portraits", type=Path)
    parser.add_argument("--weights", type=Path, default=SHIPPED / "photo.safetensors")
    parser.add_argument("--cache", type=Path, help="folder of faces and figures between runs")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--people", choices=("test", "train"), default="test")
    parser.add_argument("--most", type=int, help="at most so many people, pairs or photographs")
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args(None if lines is None else list(lines))
    if chosen.what in WRITES and chosen.out is None:
        parser.error(f"{chosen.what} needs --out")
    return chosen


def compact(result: Figures) -> str:
    """JSON with a line for each figure: short lists stay on theirs."""
    text = json.dumps(result, indent=1)
    return re.sub(r"\[\s+([^][{}]*?)\s+\]", lambda m: f"[{' '.join(m[1].split())}]", text)


def main(lines: Iterable[str] | None = None) -> None:
    """Measure and print JSON."""
    chosen = arguments(lines)
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    table = None if chosen.portraits is None else chosen.portraits / TABLE
    if chosen.what in NEED_PORTRAITS and (table is None or not table.is_file()):
        print(f"skipped: there are no portraits at {chosen.portraits}")
        return
    print(compact(TASKS[chosen.what](Task(chosen))))


if __name__ == "__main__":
    main()
