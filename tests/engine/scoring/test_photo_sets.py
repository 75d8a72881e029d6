"""Folders of photographs: who belongs to whom, at which age, and what is left out."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib import cbook
from PIL import Image
from skimage.data import astronaut

from engine.core.errors import InputError
from engine.core.progress import Silence
from engine.geometry.ffhq import Quad
from engine.inference.subject import Subject
from engine.scoring.evaluate import evaluate_methods
from engine.scoring.facts import KnownFacts
from engine.scoring.material import Source
from engine.scoring.page import page
from engine.scoring.photo_sets import (
    UNKNOWN,
    PhotoSet,
    paired_sets,
    paired_within,
    read_photo_set,
    with_targets,
)
from engine.scoring.strip import grid


def photos(name, **files):
    """A set of photographs: `{name: (age, person)}`, each of its own side."""
    sources = {}
    for number, (stem, (age, person)) in enumerate(files.items()):
        file, side = f"{stem.replace('__', '/')}.png", 60 + number
        face = np.full((side, side, 3), number, np.uint8)
        subject = Subject(Path(file), f"{name}/{file}", face, Quad.frame(side, side))
        sources[file] = Source(subject, age, person)
    return PhotoSet(Path(name), sources, [])


def pairs_of(method, material):
    """Which file belongs to which, at which target."""
    names = {key: source.subject.path.as_posix() for key, source in material.sources.items()}
    return {file: (names[task.source], task.target) for task, file in method.files.items()}


@pytest.mark.parametrize(
    ("first", "other", "expected"),
    [
        # By the same name, in whatever folder, at its own age.
        ({"eve": (30, None)}, {"eve": (60, None)}, {"eve.png": ("eve.png", 60)}),
        ({"a__eve": (30, None)}, {"b__eve": (60, None)}, {"b/eve.png": ("a/eve.png", 60)}),
        # By the beginning of a name that `tm infer` gave.
        ({"eve": (30, None)}, {"eve_age65": (65, None)}, {"eve_age65.png": ("eve.png", 65)}),
        # Without an age of its own it has that of the photograph, without any that of nobody.
        ({"eve": (30, None)}, {"eve": (None, None)}, {"eve.png": ("eve.png", 30)}),
        ({"eve": (None, None)}, {"eve": (None, None)}, {"eve.png": ("eve.png", UNKNOWN)}),
        # By the person, of whom the nearest in age; the name decides among them.
        ({"x": (30, "eve"), "y": (50, "eve")}, {"z": (70, "eve")}, {"z.png": ("y.png", 70)}),
        ({"x": (30, "eve"), "y": (50, "eve")}, {"x": (70, "eve")}, {"x.png": ("x.png", 70)}),
        # The same name of somebody else is nothing.
        ({"x": (30, "eve"), "y": (50, "ada")}, {"x": (70, "ada")}, {"x.png": ("y.png", 70)}),
        # No more digits than a report has.
        ({"eve": (30, None)}, {"eve": (31.23456789, None)}, {"eve.png": ("eve.png", 31.23)}),
        # An age of 0 is an age.
        ({"eve": (30, None)}, {"eve": (0, None)}, {"eve.png": ("eve.png", 0)}),
    ],
)
def test_photographs_belong_together(first, other, expected):
    material = paired_sets(photos("first", **first), [("other", photos("other", **other))])
    assert pairs_of(material.methods[0], material) == expected
    assert len(material.sources) == 1


@pytest.mark.parametrize(
    ("first", "other", "reason"),
    [
        ({"eve": (30, None)}, {"ada": (60, None)}, "belongs to no photograph of first"),
        ({"eve": (30, "eve")}, {"eve": (60, "ada")}, "belongs to no photograph of first"),
        # Two have that name.
        ({"a__x": (30, None), "b__x": (30, None)}, {"c__x": (60, None)}, "belongs to no photo"),
    ],
)
def test_photographs_of_others_are_left_out(first, other, reason):
    others = photos("other", **other)
    with pytest.raises(InputError, match="no photograph belongs to one of `first`") as caught:
        paired_sets(photos("first", **first), [("other", others)])
    assert "--labels" in caught.value.hint
    assert others.unused[0].reason.startswith(reason)


def test_two_photographs_of_an_age_are_one_too_many():
    others = photos("other", x=(60, "eve"), y=(60, "eve"), z=(61, "eve"))
    material = paired_sets(photos("first", a=(30, "eve")), [("other", others)])
    assert sorted(material.methods[0].files.values()) == ["x.png", "z.png"]
    assert others.unused == [("y.png", "is of the same age as `x.png`")]


def test_pictures_are_compared_at_their_median_side():
    files = {f"p{n}": (n, None) for n in range(5)}
    material = paired_sets(photos("first", **files), [("other", photos("other", **files))])
    assert material.side == 62
    sides = [len(pixels) for pixels in material.at_one_side().methods[0].portraits.values()]
    assert sides == [60, 61, 62, 62, 62]


def test_one_folder_is_compared_within_its_people():
    own = photos("all", old=(70, "eve"), young=(20, "eve"), mid=(40, "eve"), lone=(30, "ada"))
    material = paired_within(own, "all")
    assert pairs_of(material.methods[0], material) == {
        "mid.png": ("young.png", 40),
        "old.png": ("young.png", 70),
    }
    with pytest.raises(InputError, match="shows nobody twice"):
        paired_within(photos("all", x=(20, "eve"), y=(30, "ada"), z=(40, None)), "all")


def test_a_target_that_nothing_says_is_the_age_that_the_photograph_looks(world):
    known = world.known
    key = next(iter(known.sources))
    first = PhotoSet(Path("first"), {"a.png": known.sources[key]}, [])
    nameless = {"a.png": Source(known.sources[key].subject)}
    first, other = PhotoSet(Path("f"), nameless, []), PhotoSet(Path("o"), dict(nameless), [])
    material = with_targets(paired_sets(first, [("o", other)]), world.suite)
    (task,) = material.tasks
    face = known.sources[key].face()
    looks = world.suite.measure([face]).ages["nano-age-evaluator"][0]
    assert task == (key, round(float(looks), 1))
    assert material.estimated == {key}
    assert list(material.methods[0].files) == [task]


def test_faces_are_found_and_what_has_none_is_left_out(tmp_path):
    with cbook.get_sample_data("grace_hopper.jpg") as file:
        hopper = Image.open(file).convert("RGB")
    hopper.save(tmp_path / "30_1.jpg")
    Image.fromarray(astronaut()[:200, 130:330]).resize((40, 40)).save(tmp_path / "tiny.png")
    Image.new("RGB", (300, 300), "grey").save(tmp_path / "wall.png")
    (tmp_path / "torn.jpg").write_bytes(b"\xff\xd8\xff\xe0 torn")
    found = read_photo_set(tmp_path, KnownFacts(), Silence())
    assert list(found.sources) == ["30_1.jpg"]
    source = found.sources["30_1.jpg"]
    assert (source.age, source.person, len(source.face())) == (30, None, source.side)
    assert {one.file for one in found.unused} == {"tiny.png", "torn.jpg", "wall.png"}
    assert all(one.reason for one in found.unused)


@pytest.mark.parametrize(
    ("size", "message"), [(None, "holds no photos"), (64, "has no usable face: `wall.png`")]
)
def test_a_folder_without_faces_is_refused(tmp_path, size, message):
    if size is not None:
        Image.new("RGB", (size, size), "grey").save(tmp_path / "wall.png")
    with pytest.raises(InputError, match=message):
        read_photo_set(tmp_path, KnownFacts(), Silence())


def test_many_ages_are_shown_pair_by_pair_and_counted_by_decade(world):
    """A column for each of their ages would be a sheet of photographs squared."""
    face = world.known.sources[next(iter(world.known.sources))].face()
    files = {}
    for number in range(14):
        own = face.copy()
        own[:2] = number
        subject = Subject(
            Path(f"p{number}.png"), f"{number:012}" * 5, own, Quad.frame(*own.shape[:2])
        )
        files[f"p{number}.png"] = Source(subject, 30.0 + 2 * number, f"{number}")
    material = paired_sets(PhotoSet(Path("a"), files, []), [("b", PhotoSet(Path("b"), files, []))])
    assert material.by_pairs
    evaluation = evaluate_methods(material, world.suite, Silence(), subject="b", device="cpu")
    rows = evaluation.report["b"]["by_target"]
    assert [(row["target"], row["portraits"]) for row in rows] == [(34, 5), (44, 5), (53, 4)]
    assert evaluation.report["b"]["interval_over"] == "people"
    height, width = grid(evaluation, material.methods[0]).shape[:2]
    assert (width < 700, height > 14 * 192) == (True, True)
    shown = page(evaluation, "tm eval", "tm 1")
    assert "at 54" in shown
    assert "synthetic" not in shown
    assert "in `a`" in shown
    # A few ages have columns.
    few = PhotoSet(Path("a"), {name: files[name] for name in list(files)[:3]}, [])
    assert not paired_sets(few, [("b", few)]).by_pairs
