"""`tm eval` from the terminal."""

import json
import os

import pytest
from PIL import Image

AGES = "25,45,65"


@pytest.fixture
def demo(tm, tmp_path):
    """A comparison of two ways on one drawn person, as a user would make it."""
    folder = tmp_path / "demo"
    one = ("--people", 1, "--seed", 902_200, "--size", 128)
    truth, photos = folder / "truth", folder / "aligned"
    told = tm("prep", "synth", truth, *one, "--ages", "25..65", "--per-person", 3, "--same-scene")
    assert told.code == 0
    made = tm("prep", "synth", photos, *one, "--ages", "22..48", "--per-person", 3)
    assert made.code == 0
    photo = truth / "902200" / "25_0.png"
    for way, strength in (("prior", 1.0), ("half", 0.5)):
        out = ("--out", folder / way, "--strength", strength, "--set", "judge=false")
        assert tm("infer", photo, "--ages", AGES, *out, "--force").code == 0
    (folder / ".begun").touch()
    os.utime(folder / ".begun", (0, 0))
    for way in ("prior", "half"):
        os.utime(folder / way / "results.jsonl", (150, 150))
    (folder / "comparison.toml").write_text(
        'kind = "comparison"\nname = "demo"\nphotos = "aligned"\ntruth = "truth"\n'
        'begun = ".begun"\nmethods = { prior = "prior", half = "half" }\n'
    )
    return folder


def test_a_comparison_is_told_in_figures_and_pictures(tm, demo):
    told = tm("eval", demo, "--json")
    assert told.code == 0
    report = told.json
    for way in ("prior", "half", "copied"):
        assert {"identity", "perceptual", "age_mae"} <= report[way].keys()
        assert all(isinstance(report[way][n], float) for n in ("identity", "perceptual", "age_mae"))
    assert (report["people"], report["minutes"], report["device"]) == (1, 2.5, "cpu")
    assert report == json.loads((demo / "report.json").read_text())
    assert report["prior"]["age_mae"] < report["half"]["age_mae"]
    assert report["controls"]["truth"]["identity"] == 1.0
    with Image.open(demo / "strip.png") as strip:
        assert strip.info["tm"]
        assert strip.width > 3 * 192
    assert (demo / "report.html").read_text().startswith("<!doctype html>")
    assert {"grid_prior.png", "grid_half.png", "curve_ages.svg"} <= {p.name for p in demo.iterdir()}


def test_two_calls_agree_to_the_last_bit(tm, demo):
    reports = []
    for name in ("one", "two"):
        assert tm("eval", demo, "--out", demo / name, "-q").code == 0
        reports.append((demo / name / "report.json").read_bytes())
    assert reports[0] == reports[1]


def test_a_broken_gate_ends_with_6_and_the_figures(tm, demo):
    told = tm("eval", demo / "prior", "--gate", "identity>=0.99,age_mae<=90")
    assert told.code == 6
    assert "identity>=0.99: prior has 0." in told.err
    assert "age_mae" not in told.err
    assert (demo / "prior" / "report.json").is_file()
    assert tm("eval", demo / "prior", "--gate", "identity>=-9", "--json").code == 0


def test_two_folders_stand_side_by_side_with_their_differences(tm, demo):
    told = tm("eval", demo / "prior", demo / "half", "--truth", demo / "truth", "--json")
    assert told.code == 0
    pairs = {(p["one"], p["other"], p["figure"]) for p in told.json["paired"]}
    assert ("prior", "half", "perceptual") in pairs
    assert told.json["prior"]["compared"] == {"truth": 3}


def test_photos_of_the_person_are_something_to_compare_with(tm, demo):
    manifest = demo / "aligned"
    told = tm("eval", demo / "prior", "--against", manifest, "--json")
    assert told.json["prior"]["compared"] == {"photos": 3}
    assert told.json["photos"] == {"count": 3, "youngest": 22.0, "oldest": 48.0}
    assert told.json["real_pairs"]["pairs"] == 3
    assert tm("eval", demo / "prior", "--truth", demo / "truth" / "manifest.jsonl").code == 0


def test_a_dry_run_touches_nothing(tm, demo):
    told = tm("eval", demo, "--dry-run", "--json")
    assert told.json == {
        "dry_run": True,
        "evaluated": {str(demo): "a comparison"},
        "out": str(demo),
    }
    assert not (demo / "report.json").exists()


@pytest.mark.parametrize("gate", ["likeness", "identity>=0.5,,"])
def test_a_gate_that_cannot_be_read_is_told_before_any_work(tm, tmp_path, gate):
    told = tm("eval", tmp_path, "--gate", gate)
    assert (told.code, "is no limit" in told.err) == (2, True)


def test_a_folder_of_photos_is_nothing_to_judge(tm, tmp_path):
    told = tm("eval", tmp_path)
    assert (told.code, "were not aged" in told.err) == (2, True)
    told = tm("eval", tmp_path / "gone")
    assert (told.code, "is no folder" in told.err) == (2, True)


@pytest.mark.parametrize(
    ("option", "name", "code", "words"),
    [
        ("--truth", "gone", 2, "is no folder"),
        ("--truth", "empty", 3, "tm prep synth --same-scene"),
        ("--against", "gone", 2, "is no folder"),
        ("--against", "empty", 3, "holds no photos: the folder is empty"),
        ("--against", "nameless", 3, "name them `30_11.png`"),
        ("--out", "nameless/eve.png", 2, "is a file, and the report needs a folder"),
    ],
)
def test_what_cannot_be_compared_with_is_told_before_any_work(
    tm, tmp_path, option, name, code, words
):
    for folder in ("aged", "empty", "nameless"):
        (tmp_path / folder).mkdir()
    (tmp_path / "aged" / "results.jsonl").touch()
    Image.new("RGB", (64, 64)).save(tmp_path / "nameless" / "eve.png")
    told = tm("eval", tmp_path / "aged", option, tmp_path / name)
    assert (told.code, words in told.err) == (code, True)
    assert not (tmp_path / "aged" / "report.json").exists()


def test_a_folder_into_which_nothing_was_aged_holds_no_portraits(tm, tmp_path):
    (tmp_path / "results.jsonl").touch()
    told = tm("eval", tmp_path)
    assert (told.code, "holds no portraits" in told.err) == (3, True)
    told = tm("eval", tmp_path, tmp_path)
    assert (told.code, "given twice" in told.err) == (2, True)


def test_a_photo_that_has_changed_since_is_told(tm, demo):
    photo = demo / "truth" / "902200" / "25_0.png"
    photo.write_bytes((demo / "truth" / "902200" / "45_1.png").read_bytes())
    told = tm("eval", demo / "prior")
    assert (told.code, "is gone or has changed" in told.err) == (3, True)


def test_a_comparison_with_a_word_of_the_report_as_a_way_is_refused(tm, demo):
    file = demo / "comparison.toml"
    file.write_text(file.read_text().replace("half = ", "truth = "))
    told = tm("eval", demo)
    assert (told.code, "no method can be named `truth`" in told.err) == (2, True)
