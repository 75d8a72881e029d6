"""Every console example of the README and the guides runs, page by page, in order, as it stands.

What a reader has beforehand (photographs, tables) is made first, of one drawn person and one
photograph; trainings are cut short by settings that are added. An example that needs a download
says so: `# needs ...`. It is checked by `test_documentation` alone, and by the tests of its verb
with small networks in the containers of the published ones.
"""

import re
import shlex
import shutil
from functools import cache
from pathlib import Path

import pytest
from PIL import Image

from engine.app.prep import SynthRequest, synth
from engine.page import server

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
QUICK = {"recipes"}
"""Pages whose examples take less than a second; the others are run with the slow tests."""
NEEDS = "# needs "
INTERRUPTED = 130
ADDED = {
    "tm serve": "--port 0",
    "tm prep synth impostors": "--people 30 --per-person 6",
    "tm prep synth landscapes/": "--people 8",
    "tm train --recipe nano/two_stage": "--set phase.0.steps=2 --set phase.1.steps=2"
    " --set phase.0.rate.warmup=1 --set batch=2 --set validation.photos=2"
    " --set validation.targets=2",
    "tm oneshot": "--set phase.0.steps=2 --set phase.0.rate.steps=2 --set batch=2",
    "tm train --recipe nano/identity --out": "--set steps=2 --set batch=8 --set data.train.people=4"
    " --set data.validation.people=4 --set data.validation.scenes=2 --set threads=1",
    "tm resume runs/identity": "--until 2",
    "tm train --recipe agetransformer/nano": "--set data.train.people=4 --set batch=2"
    " --set data.validation.people=2 --set phase.0.steps=2 --set phase.0.rate.warmup=1"
    " --set phase.1.steps=2",
    "tm train --recipe gan/tiny --out": "--set phase.0.steps=2 --set phase.1.steps=2"
    " --set data.train.count=16 --set data.validation.count=8 --set batch=4",
    "tm train --recipe gan/tiny_vae": "--set phase.0.steps=2"
    " --set data.train.count=16 --set data.validation.count=8 --set batch=4",
}
"""What a line gets beside what it says, by what it begins with."""


def pages():
    """The pages with examples, each as one test."""
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        if examples(page):
            marks = () if page.stem in QUICK else pytest.mark.slow
            yield pytest.param(page, id=page.stem, marks=marks)


def examples(page):
    """The lines of a page that call `tm`."""
    lines = "".join(BLOCK.findall(page.read_text(encoding="utf-8"))).splitlines()
    return [line for line in lines if line.startswith("tm ")]


def added(line):
    """What the test adds to a line, as words."""
    return shlex.split(next((more for begin, more in ADDED.items() if line.startswith(begin)), ""))


@cache
def photograph():
    """A photograph of a person."""
    return Image.fromarray(pytest.importorskip("skimage.data").astronaut())


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """Ten pictures of a person, 256 px, and aligned faces of eighty people, 128 px."""
    folder = tmp_path_factory.mktemp("drawn")
    ages = {"ages": "25..55", "workers": 1}
    synth(SynthRequest(out=folder / "one", people=1, seed=900_010, per_person=10, size=256, **ages))
    synth(SynthRequest(out=folder / "many", people=80, seed=910_000, per_person=1, size=128,
                       ages="5..90", workers=1))  # fmt: skip
    return folder


@pytest.fixture
def reader(request, tmp_path, monkeypatch):
    """The folder of somebody who reads a page, with all that its examples take."""
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "docs" / "recipes.md").read_text(encoding="utf-8")
    (recipe,) = re.findall(r"^```toml\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    Path("my.toml").write_text(recipe, encoding="utf-8")
    if request.node.callspec.params["page"].stem not in QUICK:
        furnish(request.getfixturevalue("drawn"))


def furnish(drawn):
    """Photographs, faces and tables in the folder where one stands."""
    for name in ("photo.jpg", "me.jpg", "new.jpg"):
        photograph().save(name)
    for name in ("photos", "old", "faces", "better", "ffhq", "runs", "data/raw/caf/p1"):
        Path(name).mkdir(parents=True)
    ones, many = sorted(drawn.glob("one/*/*.png")), sorted(drawn.glob("many/*/*.png"))
    for path in ones:
        shutil.copy(path, "photos")
    ages = []
    for number, path in enumerate(many):
        age = path.name.partition("_")[0]
        ages.append(f"{number:03}.png,{age}")
        for folder in ("faces", "better"):
            shutil.copy(path, f"{folder}/{number:03}.png")
        if number < 2:
            shutil.copy(path, f"ffhq/{number:05}.png")
            for folder in ("old", "data/raw/caf/p1"):
                with Image.open(path) as picture:
                    picture.resize((64, 64)).save(f"{folder}/{number}.png")
    for name in ("ages.csv", "known.csv"):
        Path(name).write_text("\n".join(["path,age", *ages]), encoding="utf-8")
    Path("ffhq_aging_labels.csv").write_text(
        "image_number,age_group,age_group_confidence,gender,gender_confidence,head_pitch,"
        "head_roll,head_yaw,left_eye_occluded,right_eye_occluded,glasses\n"
        "0,10-14,0.9,male,0.9,0,0,0,0,0,None\n1,30-39,0.9,male,0.9,0,0,0,0,0,None\n"
    )


@pytest.fixture
def interrupted(monkeypatch):
    """A page that is served until it is interrupted at once."""

    class Server:
        def run(self, **_):
            raise KeyboardInterrupt

    monkeypatch.setattr(server, "_application", lambda *_: None)
    monkeypatch.setattr(server, "_server", lambda _: Server())


def enhancing():
    """One small picture, which takes seconds; what is better does not exist yet."""
    first, *others = sorted(Path("photos").glob("*.png"))
    for path in others:
        path.unlink()
    with Image.open(first) as picture:
        picture.resize((64, 64)).save(first)
    shutil.rmtree("better")


def rating():
    """Photographs with one table of ratings."""
    for path in Path().glob("*.csv"):
        path.unlink()
    rows = [f"{path.name},{n + 1},{9 - n}" for n, path in enumerate(Path("photos").iterdir())]
    Path("photos/ratings.csv").write_text("\n".join(["image,valence,arousal", *rows]))


BEFORE = {"enhance": enhancing, "landscapes": rating}
"""What readers of a page have instead."""


@pytest.mark.usefixtures("reader", "interrupted")
@pytest.mark.parametrize("page", list(pages()))
def test_the_examples_of_a_page_run(page, tm):
    BEFORE.get(page.stem, lambda: None)()
    for line in examples(page):
        if NEEDS in line:
            continue
        result = tm(*shlex.split(line, comments=True)[1:], *added(line))
        expected = INTERRUPTED if line.startswith("tm serve") else 0
        assert result.code == expected, f"{line}\n{result.err}"


def test_what_is_added_belongs_to_an_example():
    lines = [line for page in (ROOT / "docs").rglob("*.md") for line in examples(page)]
    for begin in ADDED:
        assert any(line.startswith(begin) for line in lines), begin
