"""Impostors of photographs: how far apart dlib's descriptor sees different people of one kind.

The folder holds `2015/`, `2023/` and `people.csv` (`path, person, sex, age, split`). With `--fit`
the mean distances d0 that ship, by sex, age band and cheek lightness, are measured on the `train`
people of 2015; without it the shipped ones are examined: on the `test` people of 2015 by the same
cells, and by the identity of test people who are in both editions.

    python benchmarks/impostors.py --portraits DIR [--fit]
"""

import argparse
import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.core.atomic import write_json
from engine.core.errors import PictureError
from engine.evaluators import photo_impostors
from engine.evaluators.dlib import DLIB_NAME, described, pairwise
from engine.evaluators.photo_impostors import Cell, cell_of
from engine.evaluators.traits import SEXES, cheek_lightness
from engine.faces.choose import FaceChoice
from engine.faces.descriptor import SAME_PERSON, aligned_box
from engine.faces.detect import Detection
from engine.faces.fitting import fit_points
from engine.inference.subject import find_subject
from engine.metrics.bootstrap import mean_interval
from engine.metrics.verification import auc
from engine.runtime.pool import in_processes

SHIPPED = Path(photo_impostors.__file__).with_name(photo_impostors.FILE)
LARGEST = 512
DIGITS = 4


@dataclass(frozen=True, slots=True, eq=False)
class Pictures:
    """Descriptors (n, 128) with (n,) facts of the people."""

    vectors: NDArray[np.float32]
    person: NDArray[np.str_]
    age: NDArray[np.float64]
    cells: Sequence[Cell]

    def of(self, rows: NDArray[np.bool_]) -> "Pictures":
        chosen = np.flatnonzero(rows)
        cells = [self.cells[at] for at in chosen]
        return Pictures(self.vectors[rows], self.person[rows], self.age[rows], cells)


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--portraits", type=Path, required=True)
    parser.add_argument("--fit", action="store_true", help="measure anew what ships")
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    if not (given.portraits / "people.csv").is_file():
        print(f"skipped: `{given.portraits}` holds no `people.csv`")
        return
    if given.fit:
        train = read_pictures(given.portraits, "2015", "train", given.workers)
        write_json(SHIPPED, content_of(train))
    old, new = (
        read_pictures(given.portraits, edition, "test", given.workers)
        for edition in ("2015", "2023")
    )
    print(json.dumps({"test_cells": cells_of(old), "pairs": examined(old, new)}, indent=1))


def read_pictures(portraits: Path, edition: str, split: str, workers: int) -> Pictures:
    """Describe every picture of one split of an edition; without a face one is left out."""
    with (portraits / "people.csv").open(encoding="utf-8", newline="") as file:
        facts = {
            str(portraits / row["path"]): row
            for row in csv.DictReader(file)
            if row["split"] == split and row["path"].startswith(f"{edition}/")
        }
    outcomes = in_processes(_described, sorted(facts), workers=workers)
    read = sorted(
        (one.item, *one.result) for one in outcomes if one.result is not None and len(one.result)
    )
    rows = [facts[path] for path, _, _ in read]
    ages = np.array([row["age"] for row in rows], np.float64)
    return Pictures(
        np.stack([vector for _, vector, _ in read]),
        np.array([row["person"] for row in rows]),
        ages,
        [
            cell_of(float(age), SEXES[row["sex"] == "M"], light)
            for age, row, (_, _, light) in zip(ages, rows, read, strict=True)
        ],
    )


def _described(path: str) -> tuple[NDArray[np.float32], float] | tuple[()]:
    """The descriptor of the aligned face, as `tm eval` has it, and the cheeks' lightness."""
    try:
        subject = find_subject(Path(path), FaceChoice(), Detection())
    except PictureError as error:
        print(f"{path} {error.reason}")
        return ()
    face = subject.face(min(round(subject.quad.side), LARGEST))
    points = fit_points(face, aligned_box(len(face)))
    return described(face[None]).vectors[0], cheek_lightness(face, points)


def cells_of(pictures: Pictures) -> list[dict[str, Any]]:
    """d0 of every cell of at least two people, from the finest to everyone."""
    apart = pairwise(pictures.vectors, pictures.vectors)
    one, other = np.triu_indices(len(apart), 1)
    different = pictures.person[one] != pictures.person[other]
    rows: list[dict[str, Any]] = []
    bands = [photo_impostors.band_name(at) for at in range(len(photo_impostors.BANDS))]
    lights = [name for name, _, _ in photo_impostors.LIGHTNESSES]
    cells = [Cell(*parts) for parts in product(SEXES, bands, lights)]
    coarser = [coarse for cell in cells for coarse in cell.coarser()[1:]]
    # Where the sex is not known, the age band alone is a cell.
    for cell in dict.fromkeys([*cells, *coarser, *(Cell(None, band) for band in bands)]):
        inside = np.array(
            [all(part in (None, has) for part, has in zip(cell, own, strict=True))
             for own in pictures.cells]
        )  # fmt: skip
        pairs = different & inside[one] & inside[other]
        if not pairs.any():
            continue
        distances = apart[one[pairs], other[pairs]]
        rows.append(
            {
                **cell._asdict(),
                "distance": round(float(distances.mean()), DIGITS),
                "spread": round(float(distances.std()), DIGITS),
                "people": len(set(pictures.person[inside])),
                "pairs": int(pairs.sum()),
            }
        )
    return rows


def content_of(train: Pictures) -> dict[str, Any]:
    """The content of the shipped file."""
    return {
        "what": "dlib's mean distance between different people of one sex, age band (years) and "
        "cheek lightness (CIE L*: dark under 50, medium under 60, light), by cell; null is any",
        "evaluator": DLIB_NAME,
        "made_by": "python benchmarks/impostors.py --portraits DIR --fit",
        "people": f"{len(train.person)} pictures of {len(set(train.person))} `train` people of the "
        "official portraits published up to 2015 (public domain): adults of 25 to 93, median 57, "
        "18 % women, mostly white, studio light; no children",
        "least_pairs": photo_impostors.LEAST_PAIRS,
        "cells": cells_of(train),
    }


def examined(old: Pictures, new: Pictures) -> dict[str, Any]:
    """Identity of the people who are in both editions, by the shipped d0, and impostors' own."""
    later = {person: at for at, person in enumerate(new.person)}
    both = [(at, later[person]) for at, person in enumerate(old.person) if person in later]
    apart = pairwise(old.vectors, new.vectors)
    same = np.array([apart[one, other] for one, other in both])
    d0 = np.array([_d0(new.cells[other]) for _, other in both])
    kinds = np.array([[one == other for other in new.cells] for one in old.cells])
    others = kinds & (old.person[:, None] != new.person[None])
    impostors = apart[others]
    scaled = 1 - impostors / np.array([_d0(new.cells[at]) for at in np.nonzero(others)[1]])
    mean, low, high = mean_interval(1 - same / d0, groups=[old.person[one] for one, _ in both])
    return {
        "people": len(both),
        "years_apart": float(np.mean([new.age[b] - old.age[a] for a, b in both])),
        "distance": float(same.mean()),
        "identity": {"mean": mean, "low": low, "high": high},
        "same_person_at_.6": float((same < SAME_PERSON).mean()),
        "impostors_of_one_cell": {
            "pairs": len(impostors),
            "identity": float(scaled.mean()),
            "taken_for_the_same_at_.6": float((impostors < SAME_PERSON).mean()),
        },
        "auc": auc(-same, -impostors),
    }


def _d0(cell: Cell) -> float:
    return photo_impostors.impostors_of(cell).distance


if __name__ == "__main__":
    main()
