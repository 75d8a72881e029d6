from pathlib import Path

from engine.images.naming import stems


def names(*paths):
    named = stems([Path("in") / path for path in paths], Path("in"))
    return [stem.as_posix() for stem in named.values()]


def test_subfolders_stay():
    assert names("a.jpg", "x/a.jpg") == ["a", "x/a"]


def test_pictures_of_one_stem_keep_apart_also_where_case_does_not_count():
    assert names("a.jpg", "a.png", "A.webp") == ["a", "a-png", "A-webp"]


def test_a_name_with_dots_loses_its_suffix_alone():
    assert names("30.5_1.jpg") == ["30.5_1"]


def test_a_single_picture_is_named_by_itself():
    assert stems([Path("in/a.jpg")], Path("in/a.jpg")) == {Path("in/a.jpg"): Path("a")}
