from datetime import date
from pathlib import Path

import pytest

from engine.core.errors import UsageError
from engine.data.ages import Age, AgeSource, age_in_name, parse_born, read_age_csv


@pytest.mark.parametrize(
    ("name", "age"),
    [
        ("30_11.jpeg", 30),
        ("0_1.png", 0),
        ("7_1.jpg", 7),
        ("30_11_2.png", 30),
        ("30_1-png.png", 30),
        ("30.5_1.jpg", 30.5),
        ("30_1", 30),
        ("7 birthday.jpg", None),
        ("45.jpg", None),
        ("001.jpg", None),
        ("03 - beach.jpg", None),
        ("2 Geburtstag.jpg", None),
        ("2_Geburtstag.jpg", None),
        ("30_1_age60.png", None),
        ("12.30.45.jpg", None),
        ("IMG_2034.jpg", None),
        ("2034_1.jpg", None),
        ("20200131_1.jpg", None),
        ("121_1.jpg", None),
        ("12a_1.jpg", None),
    ],
)
def test_an_age_is_read_from_the_start_of_a_name(name, age):
    assert age_in_name(name) == age


def test_a_table_is_preferred_to_the_name_and_the_name_to_the_date():
    source = AgeSource({"30_1.jpg": 31.5}, born=date(1980, 1, 1))
    day = date(2000, 1, 1)
    assert source.age_of(Path("a/30_1.jpg"), day) == Age(31.5, "csv")
    assert source.age_of(Path("a/30_2.jpg"), day) == Age(30, "name")
    assert source.age_of(Path("a/x.jpg"), day) == Age(20.0, "date")
    assert source.age_of(Path("a/x.jpg"), None) is None


def test_a_photo_older_than_its_person_has_no_age():
    assert AgeSource(born=date(1980, 1, 1)).age_of(Path("x.jpg"), date(1979, 1, 1)) is None


def test_an_age_of_zero_in_the_table_is_an_age():
    assert AgeSource({"x.jpg": 0.0}).age_of(Path("x.jpg"), None) == Age(0.0, "csv")


def test_a_bare_year_of_birth_is_its_middle():
    assert parse_born("1975") == date(1975, 7, 1)
    assert parse_born("1975-03-31") == date(1975, 3, 31)


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_blank_ages_say_nothing_and_repeated_ones_agree(tmp_path, mark):
    rows = ["path,age", "x.jpg,", "y.jpg,30", "y.jpg,30.0"]
    (tmp_path / "ages.csv").write_text("\n".join(row.replace(",", mark) for row in rows))
    assert read_age_csv(tmp_path / "ages.csv") == {"y.jpg": 30}


def test_a_date_that_makes_nobody_so_old_gives_no_age():
    born = AgeSource(born=date(1850, 1, 1))
    assert born.age_of(Path("x.jpg"), date(1975, 1, 1)) is None


@pytest.mark.parametrize("text", ["75", "31.3.1975", "1975-13-01", "x"])
def test_a_faulty_date_is_refused(text):
    with pytest.raises(UsageError, match="is not a date of birth"):
        parse_born(text)


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("head", ["path,age", "Age , File", "\ufeffname,age,extra"])
def test_a_table_of_ages_is_read_in_its_usual_forms(tmp_path, head, newline):
    columns = [name.strip("\ufeff ").lower() for name in head.split(",")]
    row = ",".join({"age": "30.5", "extra": "x"}.get(name, "ü 1.jpg") for name in columns)
    (tmp_path / "ages.csv").write_bytes((head + newline + row + newline).encode())
    assert read_age_csv(tmp_path / "ages.csv") == {"ü 1.jpg": 30.5}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a,b\n1,2\n", "needs a column `age`"),
        ("", "needs a column `age`"),
        ("path,age\nx.jpg,old\n", "line 2 of .*`old` is not an age"),
        ("path,age\nx.jpg,1\ny.jpg,2\nx.jpg,3\n", "line 4 of .*`x.jpg` is 3 here and 1 in line 2"),
        ("path;age\nx.jpg;old\n", "line 2 of .*`old` is not an age"),
        ("path,age\nx.jpg,nan\n", "is not an age"),
    ],
)
def test_a_faulty_table_is_refused(tmp_path, text, words):
    (tmp_path / "ages.csv").write_text(text)
    with pytest.raises(UsageError, match=words):
        read_age_csv(tmp_path / "ages.csv")


def test_a_missing_table_is_refused(tmp_path):
    with pytest.raises(UsageError, match="cannot be read"):
        read_age_csv(tmp_path / "ages.csv")
