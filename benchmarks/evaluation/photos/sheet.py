"""A blind sheet that a person fills in, and what the answers say.

Three questions in random order: which of two pictures shows the person older, whether two pictures
show one person, and whether a picture is a photograph as it was taken. The key stands in a file of
its own. Every picture is coded alike.
"""

import base64
import csv
import html
import random
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from engine.core.atomic import write_bytes
from engine.core.errors import UsageError
from engine.metrics.bootstrap import mean_interval
from engine.photo.ageing import age_subject
from engine.photo.model import PhotoModel
from engine.photo.subject import prepare_subject
from evaluation.photos.judged import TARGETS
from evaluation.photos.portraits import Portrait

SIDE = (225, 275)
QUALITY = 92
CHANGES = (10.0, 15.0, 20.0, 30.0)
"""Years between the two pictures of the first question."""
LEAST_CHANGE = 5.0
"""Years from a person's age to a target that is shown as altered."""
KINDS = {
    "older": ("In which picture is the person older?", ("left", "right")),
    "same": ("Do both pictures show the same person?", ("yes", "no")),
    "photograph": (
        "Is this a photograph as it was taken, or was it altered?",
        ("taken", "altered"),
    ),
}
KEY = ("question", "kind", "truth", "person", "shown")
Pixels = NDArray[np.uint8]


class Question(NamedTuple):
    """One question: its kind, its pictures, the true answer, and what is shown for the key."""

    kind: str
    pictures: list[Pixels]
    truth: str
    person: str
    shown: str


def questions(people: Sequence[Portrait], model: PhotoModel, seed: int) -> list[Question]:
    """Questions of all kinds in random order, half of each answer; nobody is in two of them.

    What is not the same person is somebody of the same sex and of about the same age.
    """
    draw = random.Random(seed)
    left = sorted(people, key=lambda p: (p.sex, p.age))
    asked: list[Question] = []
    while left:
        kind, at = list(KINDS)[len(asked) % len(KINDS)], len(asked) // len(KINDS)
        place = draw.randrange(len(left))
        p = left.pop(place)
        if kind == "older":
            years = CHANGES[at // 2 % len(CHANGES)]
            asked.append(_older(p, years, model, draw, left=at % 2 == 0))
        elif kind == "same" and at % 2:
            if not left:
                break
            asked.append(_same(p, left.pop(min(place, len(left) - 1)), model, draw))
        elif kind == "same":
            asked.append(_same(p, p, model, draw))
        else:
            asked.append(_photograph(p, altered=at % 2 == 0, model=model, draw=draw))
    draw.shuffle(asked)
    return asked


def _older(
    p: Portrait, years: float, model: PhotoModel, draw: random.Random, *, left: bool
) -> Question:
    """Somebody as they are, and younger or older by some years, whichever stays in 30..90."""
    changed = [age for age in (p.age - years, p.age + years) if 30 <= age <= 90]
    ages = sorted([p.age, draw.choice(changed or [p.age + years])], reverse=left)
    truth = "left" if left else "right"
    return Question("older", _aged(p, ages, model), truth, p.person, _shown(ages))


def _same(p: Portrait, other: Portrait, model: PhotoModel, draw: random.Random) -> Question:
    """Somebody as they are, and they or another aged."""
    target = _target(other, draw)
    pictures = [p.pixels, *_aged(other, [target], model)]
    truth = "yes" if other is p else "no"
    return Question("same", pictures, truth, p.person, _shown([p.age, target]))


def _photograph(p: Portrait, *, altered: bool, model: PhotoModel, draw: random.Random) -> Question:
    age = _target(p, draw) if altered else p.age
    truth = "altered" if altered else "taken"
    return Question("photograph", _aged(p, [age], model), truth, p.person, _shown([age]))


def _target(p: Portrait, draw: random.Random) -> float:
    return draw.choice([age for age in TARGETS if abs(age - p.age) > LEAST_CHANGE])


def _shown(ages: Sequence[float]) -> str:
    return " | ".join(f"{age:g}" for age in ages)


def _aged(p: Portrait, ages: Sequence[float], model: PhotoModel) -> list[Pixels]:
    """A portrait at some ages; as it is at its own."""
    subject = prepare_subject(p.pixels, p.face.landmarks, model, person=p.mask)
    return [age_subject(subject, p.age, age) for age in ages]


def save_sheet(folder: Path, asked: Sequence[Question]) -> None:
    """Write `sheet.html` to fill in, and `key.csv`, which its reader should not open before."""
    folder.mkdir(parents=True, exist_ok=True)
    blocks = "\n".join(_block(number, one) for number, one in enumerate(asked, 1))
    write_bytes(folder / "sheet.html", _PAGE.replace("BLOCKS", blocks).encode())
    with (folder / "key.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(KEY)
        for number, one in enumerate(asked, 1):
            writer.writerow([number, one.kind, one.truth, one.person, one.shown])


def scored(key: Path, answers: Path) -> dict[str, Any]:
    """Shares of right answers by kind, with 95 % intervals; the sheet saves `answers.csv`.

    For `photograph` also how many altered pictures were taken for photographs as taken.
    """
    truths = _table(key, KEY)
    given = {row["question"]: row["answer"] for row in _table(answers, ("question", "answer"))}
    result: dict[str, Any] = {}
    for kind in KINDS:
        rows = [row for row in truths if row["kind"] == kind and given.get(row["question"])]
        if not rows:
            continue
        right = [float(given[row["question"]] == row["truth"]) for row in rows]
        share = mean_interval(right, groups=[row["person"] for row in rows])
        result[kind] = {"answers": len(rows), "right": [round(one, 3) for one in share]}
    altered = [r for r in truths if r["truth"] == "altered" and given.get(r["question"])]
    if altered:
        passed = [given[row["question"]] == "taken" for row in altered]
        result["altered_taken_for_photographs"] = round(float(np.mean(passed)), 3)
    return result


def _table(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        if not set(columns) <= set(reader.fieldnames or ()):
            raise UsageError(f"`{path}` lacks the columns {', '.join(columns)}")
        return list(reader)


def _block(number: int, one: Question) -> str:
    text, answers = KINDS[one.kind]
    source = "data:image/jpeg;base64,"
    pictures = "".join(f'<img alt="" src="{source}{_coded(pixels)}">' for pixels in one.pictures)
    choices = "".join(
        f'<label><input type="radio" name="{number}" value="{answer}"> {answer}</label>'
        for answer in answers
    )
    legend = f"<legend>{number}. {html.escape(text)}</legend>"
    return f"<fieldset>{legend}{pictures}<p>{choices}</p></fieldset>"


def _coded(pixels: Pixels) -> str:
    buffer = BytesIO()
    picture = Image.fromarray(pixels).resize(SIDE, Image.Resampling.LANCZOS)
    picture.save(buffer, "JPEG", quality=QUALITY)
    return base64.b64encode(buffer.getvalue()).decode()


_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>What do you see?</title>
<style>
body { font: 16px sans-serif; max-width: 40rem; margin: 2rem auto; padding: 0 1rem; }
fieldset { margin: 0 0 1.5rem; border: 1px solid #bbb; border-radius: 6px; }
img { margin: .5rem .5rem 0 0; } label { margin-right: 1.5rem; }
button { font: inherit; padding: .5rem 1rem; }
</style>
<h1>What do you see?</h1>
<p>Some pictures were altered by a program, some are as they were taken. Answer by your first
impression, then save: nothing leaves this page but the file you save.</p>
<form id="sheet">
BLOCKS
</form>
<button id="save">Save answers.csv</button>
<script>
document.getElementById("save").onclick = () => {
  const rows = [["question", "answer"], ...new FormData(document.getElementById("sheet"))];
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([rows.map(r => r.join(",")).join("\\n") + "\\n"]));
  link.download = "answers.csv";
  link.click();
};
</script>
</html>
"""
