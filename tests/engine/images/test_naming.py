from pathlib import Path

import pytest

from engine.images.naming import stems


def names(*paths):
    named = stems([Path("in") / path for path in paths], Path("in"))
    return [stem.as_posix() for stem in named.values()]


def test_subfolders_stay():
    assert names("a.jpg", "x/a.jpg") == ["a", "x/a"]


def test_pictures_of_one_stem_keep_apart_also_where_case_does_not_count():
    assert names("a.jpg", "a.png", "A.webp") == ["a", "a-png", "A-webp"]


@pytest.mark.parametrize(
    ("given", "stems"),
    [
        (("a-png.jpg", "a.jpg", "a.png"), ["a-png", "a", "a-png-2"]),
        (("A.png", "a-jpg.png", "a.jpg"), ["A", "a-jpg", "a-jpg-2"]),
        (("a.jpg", "a.png", "a_png.webp", "a-png.webp"), ["a", "a-png-2", "a_png", "a-png"]),
        (("x/a.jpg", "x/a.png", "a.png"), ["x/a", "x/a-png", "a"]),
    ],
)
def test_no_name_is_given_twice_not_even_one_made_by_a_suffix(given, stems):
    assert names(*given) == stems


def test_a_name_with_dots_loses_its_suffix_alone():
    assert names("30.5_1.jpg") == ["30.5_1"]


def test_a_single_picture_is_named_by_itself():
    assert stems([Path("in/a.jpg")], Path("in/a.jpg")) == {Path("in/a.jpg"): Path("a")}
