"""`tm relabel` on drawn people, with what ships in the package."""

import csv
import json

import numpy as np
import pytest

from engine.images.saving import save_png
from engine.worlds.portraits import identity, render, scene

AGES = (8, 25, 40, 55, 70, 88)
FIRST = 940_000  # people for tests


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """Six people of known ages, and the truth beside them."""
    folder = tmp_path_factory.mktemp("relabel") / "faces"
    lines = ["path,age"]
    for number, age in enumerate(AGES):
        person = FIRST + number
        picture = render(identity(person), age, scene(person * 1000), 128).picture
        save_png(folder / f"{person}.png", picture, {"made": "rendered"})
        lines.append(f"faces/{person}.png,{age}")
    (folder.parent / "truth.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def written(path):
    return json.loads(path.read_text(encoding="utf-8"))


def test_every_face_gets_an_age_a_spread_and_all_predictions(tm, drawn, tmp_path):
    out, report, manifest = (tmp_path / name for name in ("l.json", "r.csv", "m.jsonl"))
    better = tmp_path / "better"
    better.mkdir()
    (better / f"{FIRST}.jpg").touch()
    result = tm(
        "relabel", drawn, "--aligned", "--out", out, "--report", report, "--manifest", manifest,
        "--labels", drawn.parent / "truth.csv", "--json", "--enhanced", better,
    )  # fmt: skip
    assert result.code == 0
    assert result.json["labelled"] == len(AGES)
    labels = written(out)["labels"]
    assert list(labels) == [str(FIRST + number) for number in range(len(AGES))]
    ages = [label["age"] for label in labels.values()]
    assert np.mean(np.abs(np.subtract(ages, AGES))) < 10
    for label in labels.values():
        assert set(label) >= {"source", "age", "age_std", "reliability", "flags", "keep", "experts"}
        assert set(label["experts"]) == {"nano-age", "nano-ordinal", "nano-tokens"}
        assert sum(one["weight"] for one in label["experts"].values()) == pytest.approx(1, abs=1e-2)
    assert "NaN" not in out.read_text(encoding="utf-8")
    rows = list(csv.DictReader(report.read_text(encoding="utf-8").splitlines()))
    assert rows[-1]["group"] == "all"
    assert int(rows[-1]["n_total"]) == sum(int(row["n_total"]) for row in rows[:-1]) == len(AGES)
    kept = [json.loads(line) for line in manifest.read_text(encoding="utf-8").splitlines()]
    assert len(kept) == result.json["kept"]
    assert all(row["weight"] > 0 for row in kept)
    enhanced = {row["label"]: row["enhanced"] for row in kept}
    assert enhanced.pop(str(FIRST)) == f"better/{FIRST}.jpg"
    assert set(enhanced.values()) == {None}
    assert {row["source"] for row in kept} == {row["output"] for row in kept}
    assert (tmp_path / "l_files" / "labels.csv").is_file()


def test_a_wrong_label_is_flagged_and_not_kept(tm, drawn, tmp_path):
    labels = tmp_path / "labels.csv"
    labels.write_text(f"name,age\n{FIRST + 1},75\n{FIRST + 2},40\n", encoding="utf-8")
    out = tmp_path / "l.json"
    result = tm("relabel", drawn, "--aligned", "--out", out, "--labels", labels)
    assert result.code == 0
    assert f"{FIRST + 1}: label 75, estimate " in result.err
    assert "name none of the pictures" not in result.err
    labels_written = written(out)["labels"]
    assert "label_mismatch" in labels_written[str(FIRST + 1)]["flags"]
    assert not labels_written[str(FIRST + 1)]["keep"]
    assert labels_written[str(FIRST)]["flags"] == ["no_label"]


def test_labels_of_other_pictures_are_reported(tm, drawn, tmp_path):
    labels = tmp_path / "labels.csv"
    labels.write_text("name,age\nnobody,75\n", encoding="utf-8")
    result = tm("relabel", drawn, "--aligned", "--out", tmp_path / "l.json", "--labels", labels)
    assert result.code == 0
    assert "the labels name none of the pictures" in result.err


def test_the_groups_of_ffhq_aging_are_audited_and_its_filter_is_a_recipe(tm, drawn, tmp_path):
    table = tmp_path / "ffhq_aging_labels.csv"
    table.write_text(
        "image_number,age_group,age_group_confidence,gender,gender_confidence,head_pitch,"
        "head_roll,head_yaw,left_eye_occluded,right_eye_occluded,glasses\n"
        f"{FIRST},10-14,0.9,male,0.9,0,0,45,0,0,None\n"
        f"{FIRST + 4},6-Mar,0.9,male,0.9,-1,-1,-1,-1,-1,-1\n",
        encoding="utf-8",
    )
    out = tmp_path / "l.json"
    result = tm("relabel", drawn, "--out", out, "--labels", table, "--recipe", "relabel/lats")
    assert result.code == 0
    labels_written = written(out)["labels"]
    assert "pose" in labels_written[str(FIRST)]["flags"]
    assert labels_written[str(FIRST + 4)]["original_group"] == 1
    assert "out_of_group" in labels_written[str(FIRST + 4)]["flags"]


def test_a_rerun_writes_the_same_file(tm, drawn, tmp_path):
    out = tmp_path / "l.json"
    tm("relabel", drawn, "--aligned", "--out", out)
    first = out.read_bytes()
    tm("relabel", drawn, "--aligned", "--out", out)
    assert out.read_bytes() == first


def test_the_truth_makes_a_calibration_that_a_later_run_uses(tm, tmp_path):
    folder, lines = tmp_path / "faces", ["path,age"]
    draw = np.random.default_rng(0)
    for number in range(90):
        age = draw.uniform(5, 95)
        person = FIRST + 100 + number
        picture = render(identity(person), age, scene(person * 1000), 32).picture
        save_png(folder / f"{person}.png", picture, {"made": "rendered"})
        lines.append(f"faces/{person}.png,{age:.2f}")
    (tmp_path / "truth.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    only = ("--experts", "nano-tokens", "--aligned", "--set", "domain='portraits'")
    out, truth = tmp_path / "l.json", tmp_path / "truth.csv"
    result = tm("relabel", folder, "--truth", truth, "--out", out, "--json", *only)
    assert result.code == 0
    beside = tmp_path / "l_files"
    assert f"the calibration is in `{beside / 'calibration.json'}`" in result.err
    assert "held-out faces are not reliable" in result.err
    assert (beside / "reliability.png").read_bytes()[:4] == b"\x89PNG"
    assert (beside / "reliability.csv").is_file()
    assert result.json["metrics"]["fitted_on"] + result.json["metrics"]["mixture"]["faces"] == 90
    again = tmp_path / "again.json"
    file = beside / "calibration.json"
    assert tm("relabel", folder, "--calibration", file, "--out", again, *only).code == 0
    assert written(again)["labels"] == written(out)["labels"]
    changed = written(file)
    changed["calibration"]["experts"]["nano-tokens"]["digest"] = "another"
    file.write_text(json.dumps(changed), encoding="utf-8")
    result = tm("relabel", folder, "--calibration", file, "--out", again, *only)
    assert result.code == 2
    assert "is for other weights of nano-tokens" in result.err


def test_a_dry_run_lists_experts_and_memory_and_writes_nothing(tm, drawn, tmp_path):
    result = tm("relabel", drawn, "--out", tmp_path / "l.json", "--dry-run", "--json")
    assert result.code == 0
    experts = {expert["name"]: expert for expert in result.json["experts"]}
    assert experts["nano-age"]["here"]
    assert not experts["mivolo"]["here"]
    assert "by a few of them" in result.json["faces"]
    assert "janus-pro-1b" in experts["janus"]["cost"]
    assert "janus-pro-7b" in experts["janus"]["cost"]
    assert not list(tmp_path.iterdir())


def test_without_any_expert_it_ends_with_4(tm, drawn, tmp_path):
    result = tm("relabel", drawn, "--out", tmp_path / "l.json", "--experts", "mivolo,vgg16")
    assert result.code == 4
    assert "mivolo" in result.err
    assert "hint:" in result.err


def test_photographs_without_an_expert_that_knows_them_end_with_4(tm, tmp_path):
    draw = np.random.default_rng(0)
    save_png(tmp_path / "p" / "a.png", draw.integers(0, 256, (64, 64, 3), np.uint8), {})
    only = ("--experts", "nano-age,mivolo")
    result = tm("relabel", tmp_path / "p", "--aligned", "--out", tmp_path / "l.json", *only)
    assert result.code == 4
    assert "no expert is here that knows photos" in result.err


def test_a_photograph_gets_an_age_by_what_is_in_the_package(tm, tmp_path):
    skimage_data = pytest.importorskip("skimage.data")
    save_png(tmp_path / "photos" / "eve.png", skimage_data.astronaut(), {})
    out = tmp_path / "l.json"
    assert tm("relabel", tmp_path / "photos", "--out", out, "--workers", 1).code == 0
    labels = written(out)
    here = ["age-cc0", "dlib-age"]
    assert list(labels["fusion"]["calibrations"]["photos"]["experts"]) == here
    eve = labels["labels"]["eve"]
    assert list(eve["experts"]) == here
    assert 20 < eve["age"] < 65
    assert 3 < eve["age_std"] < 15
    assert "few_experts" not in eve["flags"]


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--experts", "mivolo,dexx"), "unknown expert `dexx`"),
        (("--truth", "nowhere.csv"), "there is no such file"),
        (("--set", "batch=0"), "batch"),
    ],
)
def test_a_wrong_request_ends_with_2(tm, drawn, tmp_path, flags, said):
    result = tm("relabel", drawn, "--out", tmp_path / "l.json", *flags)
    assert result.code == 2
    assert said in result.err


def test_labels_that_are_no_json_file_are_refused(tm, drawn, tmp_path):
    result = tm("relabel", drawn, "--out", tmp_path / "labels.csv")
    assert result.code == 2
    assert "must end in `.json`" in result.err


def test_a_photograph_is_aligned_first_and_a_picture_without_a_face_is_named(tm, tmp_path):
    skimage_data = pytest.importorskip("skimage.data")
    folder = tmp_path / "photos"
    save_png(folder / "eve.png", skimage_data.astronaut(), {})
    save_png(folder / "wall.png", np.full((200, 300, 3), 90, np.uint8), {})
    forced = ("--experts", "nano-age", "--set", "domain='portraits'", "--workers", 1)
    cut_out, whole = tmp_path / "cut_out.json", tmp_path / "whole.json"
    assert tm("relabel", folder, "--out", cut_out, *forced).code == 0
    assert tm("relabel", folder, "--out", whole, "--aligned", *forced).code == 0
    labels = written(cut_out)["labels"]
    assert labels["wall"]["flags"] == ["no_face"]
    assert labels["wall"]["age"] is None
    assert "no face" in labels["wall"]["why_null"]
    cut, uncut = (written(path)["labels"]["eve"]["age"] for path in (cut_out, whole))
    assert cut is not None
    assert abs(cut - uncut) > 1e-3
