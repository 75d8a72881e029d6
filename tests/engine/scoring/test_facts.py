"""What is known of the people in photographs, and from where."""

from pathlib import Path

import pytest

from engine.core.errors import UsageError
from engine.data.manifest import Row, ledger_of
from engine.scoring.facts import KnownFacts, PhotoFacts


@pytest.fixture
def labels(tmp_path):
    """Write a CSV beside two folders of photographs, and read it."""

    def write(*lines):
        file = tmp_path / "people.csv"
        file.write_text("\n".join(lines) + "\n")
        return KnownFacts.read(file)

    return write


def test_a_row_is_found_by_its_path_and_by_its_name(labels, tmp_path):
    known = labels(
        "Path, Person, Sex, Age", "a/x.jpg, eve, F, 30.5", "b/x.jpg,eve,F,38", "two.jpg,,m,"
    )
    assert known.of(tmp_path / "a" / "x.jpg") == PhotoFacts(30.5, "eve", "female")
    assert known.of(tmp_path / "b" / "x.jpg").age == 38
    assert known.of(Path("elsewhere/two.jpg")) == PhotoFacts(None, None, "male")
    # Two rows have that name, and neither has that path: they agree on the person alone.
    assert known.of(Path("elsewhere/x.jpg")) == PhotoFacts(None, "eve", "female")
    strangers = labels(
        "path,person,sex,age", "a/x.jpg,eve,F,30", "b/x.jpg,ada,F,30", "c/x.jpg,ada,M,9"
    )
    assert strangers.of(Path("elsewhere/x.jpg")) == PhotoFacts()


@pytest.mark.parametrize(
    ("name", "age"),
    [("30_11.png", 30), ("eve_age65.png", 65), ("eve_age7.5.png", 7.5), ("eve.png", None),
     ("eve_age650.png", None), ("IMG_2034.jpg", None)],
)  # fmt: skip
def test_an_age_stands_in_the_name(name, age):
    assert KnownFacts().of(Path(name)).age == age


def test_labels_go_before_the_manifest_and_the_manifest_before_the_name(labels, tmp_path):
    with ledger_of(tmp_path / "a") as ledger:
        truth = {"sex": "male", "scene": 3}
        ledger.add(Row(output="30_1.png", age=31, person="7", truth=truth).dump())
        quad = ((0, 0), (0, 9), (9, 9), (9, 0))
        ledger.add(Row(output="40_1.png", age=None, quad=quad).dump())
    known = labels("path,age", "a/30_1.png,32")
    assert known.of(tmp_path / "a" / "30_1.png") == PhotoFacts(32, "7", "male")
    assert KnownFacts().of(tmp_path / "a" / "30_1.png").age == 31
    assert known.of(tmp_path / "a" / "40_1.png") == PhotoFacts(40, aligned=True)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (("path", "1.jpg"), "needs a column of path, file, .* and one of age, person, sex"),
        (("age,sex", "30,F"), "needs a column of path"),
        (("path,age", "1.jpg,old"), "line 2 of .* `old` is not an age"),
        (("path,age", "1.jpg,121"), "`121` is not an age"),
        (("path,age", "1.jpg,nan"), "`nan` is not an age"),
        (("path,sex", "1.jpg,", "two.jpg,x"), "line 3 of .* `x` is no sex"),
    ],
)
def test_faulty_labels_are_refused(labels, lines, message):
    with pytest.raises(UsageError, match=message):
        labels(*lines)


def test_labels_that_cannot_be_read_are_refused(tmp_path):
    (tmp_path / "picture.csv").write_bytes(b"\xff\xfe\x00\x80")
    for name in ("gone.csv", "picture.csv"):
        with pytest.raises(UsageError, match="cannot be read"):
            KnownFacts.read(tmp_path / name)
