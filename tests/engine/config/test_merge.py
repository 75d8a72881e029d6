import pytest

from engine.config.merge import MergeError, lay_over, parse_setting

LOSSES = {
    "loss": [{"kind": "roi_id", "weight": 0.05, "pad": 0.35}, {"kind": "identity", "weight": 1}]
}


def test_tables_merge_and_lists_are_replaced():
    base = {"a": {"x": 1, "y": 2}, "list": [1, 2]}
    assert lay_over(base, {"a": {"y": 3}, "list": [9]}) == {"a": {"x": 1, "y": 3}, "list": [9]}
    assert base == {"a": {"x": 1, "y": 2}, "list": [1, 2]}


def test_another_kind_takes_nothing_from_the_old_one():
    base = {"rate": {"kind": "cosine", "start": 1, "end": 0, "steps": 5}}
    over = {"rate": {"kind": "constant", "value": 3}}
    assert lay_over(base, over) == over


@pytest.mark.parametrize("entry", ["0", "roi_id"])
def test_a_setting_reaches_into_a_list_by_index_or_kind(entry):
    merged = lay_over(LOSSES, parse_setting(f"loss.{entry}.weight=0.1"))
    assert merged["loss"][0] == {"kind": "roi_id", "weight": 0.1, "pad": 0.35}
    assert merged["loss"][1] == LOSSES["loss"][1]


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("loss.7.weight=1", "there is no entry 7"),
        ("loss.roi.weight=1", "the list has: roi_id, identity"),
        ("seed", "not a setting"),
        ("=3", "not a setting"),
        ("a..b=3", "not a setting"),
    ],
)
def test_a_setting_that_fits_nowhere_is_told(setting, words):
    with pytest.raises(MergeError, match=words):
        lay_over(LOSSES, parse_setting(setting))


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("a=3", 3),
        ("a=0", 0),
        ("a=true", True),
        ('a="x"', "x"),
        ("a=40±2", "40±2"),
        ("a=[1, 2]", [1, 2]),
        ("a={b=1}", {"b": 1}),
        ("a=x=y", "x=y"),
    ],
)
def test_a_value_is_toml_or_else_text(setting, value):
    assert parse_setting(setting) == {"a": value}


def test_a_list_without_kinds_says_that_its_entries_go_by_number():
    with pytest.raises(MergeError, match="by number here, from 0; the list has 2") as told:
        lay_over({"phase": [{"name": "a"}, {"name": "b"}]}, {"phase": {"a": {"steps": 3}}})
    assert told.value.place == "phase.a"


@pytest.mark.parametrize("key", ["esrgan", "1"])
def test_an_entry_that_is_a_mere_name_is_set_by_name_and_by_number(key):
    merged = lay_over({"steps": ["ddcolor", "esrgan"]}, parse_setting(f"steps.{key}.weights=x.pth"))
    assert merged == {"steps": ["ddcolor", {"kind": "esrgan", "weights": "x.pth"}]}
