"""A second run into the same folder: what is stale is made anew, what stands is not forgotten."""

import json
import shutil

import pytest
from PIL import Image

skimage_data = pytest.importorskip("skimage.data")


def rows_of(path):
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9003] = "2000:07:01 00:00:00"
    Image.fromarray(skimage_data.astronaut()).save(folder / "eve.jpg", quality=95, exif=exif)
    return folder


def test_another_source_of_ages_makes_rows_stale(tm, photos, tmp_path):
    out, table = tmp_path / "out", tmp_path / "ages.csv"
    table.write_text("path,age\neve.jpg,41\n")

    def aligned(*more):
        result = tm("prep", "align", photos, out, "--size", "64", "--workers", "1", "--json", *more)
        (row,) = rows_of(out / "manifest.jsonl")
        return result.json["done"], row["age"], row.get("age_by"), result.json["ages_by"]

    assert aligned() == (1, None, None, {"unknown": 1})
    assert aligned("--born", "1960-07-01") == (1, 40.0, "date", {"date": 1})
    assert aligned("--born", "1960-07-01") == (0, 40.0, "date", {"date": 1})
    assert aligned("--born", "1950-07-01") == (1, 50.0, "date", {"date": 1})
    assert aligned("--ages", table) == (1, 41.0, "csv", {"csv": 1})
    table.write_text("path,age\neve.jpg,42\n")
    assert aligned("--ages", table) == (1, 42.0, "csv", {"csv": 1})


def test_a_table_that_contradicts_a_name_is_reported(tm, photos, tmp_path):
    shutil.move(photos / "eve.jpg", photos / "30_1.jpg")
    (tmp_path / "ages.csv").write_text("path,age\n30_1.jpg,41\n")
    result = tm("prep", "align", photos, tmp_path / "out", "--size", "64", "--workers", "1",
                "--ages", tmp_path / "ages.csv")  # fmt: skip
    assert "1 by the table" in result.err
    assert "another age in the table than in their name" in result.err.replace("\n", " ")


def test_results_of_other_ages_stay_and_a_strip_of_another_strength_goes(tm, tmp_path):
    from engine.app.prep import SynthRequest, synth

    synth(SynthRequest(out=tmp_path / "w", people=1, per_person=1, ages="40..40", size=128))
    face, out = tmp_path / "w" / "000000", tmp_path / "out"

    def infer(ages, *more):
        result = tm("infer", face, "--aligned", "--force", "--ages", ages, "--out", out,
                    "--weights", "nano", "--set", "evaluate=false", "--json", *more)  # fmt: skip
        assert result.code == 0, result.err
        ages = sorted(row["target_age"] for row in rows_of(out / "results.jsonl"))
        return result.json["done"], ages, sorted(p.name for p in out.glob("*.png"))

    both = ["40_0_age30.png", "40_0_age60.png"]
    assert infer("30", "--strip")[:2] == (1, [30])
    assert infer("60") == (1, [30, 60], [*both, "40_0_strip.png"])
    assert infer("30,60")[1:] == ([30, 60], [*both, "40_0_strip.png"])
    (out / "40_0_morph.gif").write_bytes(b"not ours")
    assert infer("60", "--strength", "0.5") == (1, [30, 60], both)
    assert (out / "40_0_morph.gif").read_bytes() == b"not ours"
    (out / "40_0_age30.png").unlink()
    assert infer("60", "--strength", "0.6")[1] == [60]
