"""`tm eval` from the terminal."""

import json
import os

import pytest
from PIL import Image

from engine.scoring.gate import FIGURES

AGES = "25,45,65"


@pytest.fixture
def demo(tm, tmp_path):
    """A comparison of two methods on one drawn person."""
    folder = tmp_path / "demo"
    one = ("--people", 1, "--seed", 902_200, "--size", 128)
    truth, photos = folder / "truth", folder / "aligned"
    result = tm("prep", "synth", truth, *one, "--ages", "25..65", "--per-person", 3, "--same-scene")
    assert result.code == 0
    made = tm("prep", "synth", photos, *one, "--ages", "22..48", "--per-person", 3)
    assert made.code == 0
    photo = truth / "902200" / "25_0.png"
    for method, strength in (("prior", 1.0), ("half", 0.5)):
        out = ("--out", folder / method, "--strength", strength, "--set", "evaluate=false")
        assert tm("infer", photo, "--ages", AGES, *out, "--force").code == 0
    (folder / ".begun").touch()
    os.utime(folder / ".begun", (0, 0))
    for method in ("prior", "half"):
        os.utime(folder / method / "results.jsonl", (150, 150))
    (folder / "comparison.toml").write_text(
        'kind = "comparison"\nname = "demo"\nphotos = "aligned"\ntruth = "truth"\n'
        'begun = ".begun"\nmethods = { prior = "prior", half = "half" }\n'
    )
    return folder


def test_a_comparison_has_figures_and_pictures(tm, demo):
    result = tm("eval", demo, "--json")
    assert result.code == 0
    report = result.json
    for method in ("prior", "half", "copied"):
        assert {"identity", "perceptual", "age_mae"} <= report[method].keys()
        assert all(
            isinstance(report[method][n], float) for n in ("identity", "perceptual", "age_mae")
        )
    assert (report["people"], report["minutes"], report["device"]) == (1, 2.5, "cpu")
    assert report == json.loads((demo / "report.json").read_text())
    numbers = {name for name, one in report["prior"].items() if isinstance(one, float | int)}
    assert {name for name in numbers if " by " not in name} <= set(FIGURES)
    assert tm("eval", demo, "--dry-run").code == 0  # over its own report
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
    result = tm("eval", demo / "prior", "--gate", "identity>=0.99,age_mae<=90")
    assert result.code == 6
    assert "identity>=0.99: prior has 0." in result.err
    assert "age_mae" not in result.err
    assert (demo / "prior" / "report.json").is_file()
    assert tm("eval", demo / "prior", "--gate", "identity>=-9", "--json").code == 0


def test_two_folders_stand_side_by_side_with_their_differences(tm, demo):
    result = tm("eval", demo / "prior", demo / "half", "--truth", demo / "truth", "--json")
    assert result.code == 0
    pairs = {(p["one"], p["other"], p["figure"]) for p in result.json["paired"]}
    assert ("prior", "half", "perceptual") in pairs
    assert result.json["prior"]["compared"] == {"truth": 3}


def test_photos_of_the_person_are_something_to_compare_with(tm, demo):
    manifest = demo / "aligned"
    result = tm("eval", demo / "prior", "--against", manifest, "--json")
    assert result.json["prior"]["compared"] == {"photos": 3}
    assert result.json["photos"] == {"count": 3, "youngest": 22.0, "oldest": 48.0}
    assert result.json["real_pairs"]["pairs"] == 3
    assert tm("eval", demo / "prior", "--truth", demo / "truth" / "manifest.jsonl").code == 0


def test_a_dry_run_writes_nothing(tm, demo):
    result = tm("eval", demo, "--dry-run", "--json")
    assert result.json == {
        "dry_run": True,
        "evaluated": {str(demo): "a comparison"},
        "out": str(demo),
    }
    assert not (demo / "report.json").exists()


@pytest.mark.parametrize("gate", ["likeness", "identity>=0.5,,"])
def test_a_faulty_gate_is_refused_before_any_work(tm, tmp_path, gate):
    result = tm("eval", tmp_path, "--gate", gate)
    assert (result.code, "is no limit" in result.err) == (2, True)


@pytest.mark.parametrize("gate", ["identty>=0.6", "prior.age_mea<=6", "prior.identity.x>=1"])
def test_a_mistyped_figure_is_refused_before_any_work(tm, tmp_path, gate):
    for dry_run in ([], ["--dry-run"]):
        result = tm("eval", tmp_path, "--gate", gate, *dry_run)
        assert (result.code, "there is no figure" in result.err) == (2, True)


@pytest.mark.parametrize("name", ["report.json", "report.html", "strip.png"])
def test_what_tm_did_not_make_is_no_report_to_replace(tm, demo, tmp_path, name):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / name).write_text("mine")
    result = tm("eval", demo, "--out", tmp_path / "out", "--dry-run")
    assert (result.code, f"{name}` is there already" in result.err) == (2, True)
    assert tm("eval", demo, "--out", tmp_path / "out", "--dry-run", "--overwrite").code == 0


def test_an_empty_folder_cannot_be_evaluated(tm, tmp_path):
    result = tm("eval", tmp_path)
    assert (result.code, "holds no photos" in result.err) == (3, True)
    result = tm("eval", tmp_path / "gone")
    assert (result.code, "is no folder" in result.err) == (2, True)


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
def test_faulty_references_are_refused_before_any_work(tm, tmp_path, option, name, code, words):
    for folder in ("aged", "empty", "nameless"):
        (tmp_path / folder).mkdir()
    (tmp_path / "aged" / "results.jsonl").touch()
    Image.new("RGB", (64, 64)).save(tmp_path / "nameless" / "eve.png")
    result = tm("eval", tmp_path / "aged", option, tmp_path / name)
    assert (result.code, words in result.err) == (code, True)
    assert not (tmp_path / "aged" / "report.json").exists()


def test_a_folder_into_which_nothing_was_aged_holds_no_portraits(tm, tmp_path):
    (tmp_path / "results.jsonl").touch()
    result = tm("eval", tmp_path)
    assert (result.code, "holds no portraits" in result.err) == (3, True)
    result = tm("eval", tmp_path, tmp_path)
    assert (result.code, "given twice" in result.err) == (2, True)


def test_a_changed_photo_is_refused(tm, demo):
    photo = demo / "truth" / "902200" / "25_0.png"
    photo.write_bytes((demo / "truth" / "902200" / "45_1.png").read_bytes())
    result = tm("eval", demo / "prior")
    assert (result.code, "is gone or has changed" in result.err) == (3, True)


def test_a_method_named_as_a_key_of_the_report_is_refused(tm, demo):
    file = demo / "comparison.toml"
    file.write_text(file.read_text().replace("half = ", "truth = "))
    result = tm("eval", demo)
    assert (result.code, "no method can be named `truth`" in result.err) == (2, True)
