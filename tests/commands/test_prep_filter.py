"""`tm prep filter`, `split` and `sheet` on a small album with known faults."""

import numpy as np
import pytest
from PIL import Image, ImageFilter

from engine.data.manifest import read_manifest

skimage_data = pytest.importorskip("skimage.data")


@pytest.fixture(scope="module")
def album(tmp_path_factory):
    """Aligned pictures of one person with a copy, a blurred, a dark and a grey one among them."""
    from engine.prep.synth import SynthPlan, synthesise

    folder = tmp_path_factory.mktemp("album")
    made = SynthPlan(folder / "world", people=1, per_person=8, size=256, seed=400_000)
    from engine.core.progress import Silence

    synthesise(made, workers=1, progress=Silence())
    out = folder / "faces"
    out.mkdir()
    for path in sorted((folder / "world" / "400000").glob("*.png")):
        Image.open(path).save(out / path.name)
    first = Image.open(next(iter(sorted(out.glob("*.png")))))
    first.save(out / "40_90.jpg", quality=70)
    first.filter(ImageFilter.GaussianBlur(6)).save(out / "41_91.png")
    Image.fromarray((np.asarray(first) * 0.06).astype(np.uint8)).save(out / "42_92.png")
    first.convert("L").convert("RGB").save(out / "43_93.png")
    (out / "44_94.png").write_bytes(b"broken")
    return out


@pytest.fixture
def faces(album, tmp_path):
    """A copy of the album that a test may write to."""
    import shutil

    return shutil.copytree(album, tmp_path / "faces")


def test_every_fault_is_named_and_nothing_is_deleted(tm, faces):
    before = sorted(path.name for path in faces.iterdir())
    result = tm("prep", "filter", faces, "--json", "--workers", 1)
    assert result.code == 0
    rows = {row.output: row for row in read_manifest(faces)}
    heads = {
        name: {text.partition(":")[0] for text in row.reasons or ()} for name, row in rows.items()
    }
    assert "blurry" in heads["41_91.png"]
    assert "too dark" in heads["42_92.png"]
    assert "grey" in heads["43_93.png"]
    assert rows["44_94.png"].status == "failed"
    first = min(before)
    pair = {rows["40_90.jpg"].duplicate_of, rows[first].duplicate_of}
    assert pair in ({None, first}, {None, "40_90.jpg"})
    assert {row.verdict for row in rows.values() if row.status == "done"} == {"keep", "drop"}
    assert sorted(p.name for p in faces.iterdir() if p.name[0] not in ".m") == before


def test_photos_of_other_ages_are_no_duplicates(tm, faces):
    tm("prep", "filter", faces, "--workers", 1)
    untouched = [
        row
        for row in read_manifest(faces)
        if not row.output.startswith("4") or "_9" not in row.output
    ]
    real = [row for row in untouched if row.output.split("_")[1].startswith(tuple("01234567"))]
    assert len(real) == 8
    assert [row.duplicate_of for row in real if row.duplicate_of not in (None, "40_90.jpg")] == []


def test_a_second_run_scores_nothing_and_decides_the_same(tm, faces, monkeypatch):
    first = tm("prep", "filter", faces, "--json", "--workers", 1)
    before = read_manifest(faces)

    def never(row, *, folder):
        raise AssertionError(f"{row.output} was scored twice")

    monkeypatch.setattr("engine.prep.filter.score_row", never)
    assert tm("prep", "filter", faces, "--json", "--workers", 1).json == first.json
    assert read_manifest(faces) == before


def test_other_limits_change_the_decision(tm, faces):
    strict = tm("prep", "filter", faces, "--json", "--workers", 1)
    lenient = tm("prep", "filter", faces, "--json", "--set", "quality.allow_gray=true")
    assert lenient.json["reasons"].get("grey") is None
    assert strict.json["reasons"]["grey"] == 1


def test_what_is_kept_is_copied_with_its_rows(tm, faces, tmp_path):
    result = tm("prep", "filter", faces, "--out", tmp_path / "kept", "--json", "--workers", 1).json
    assert result["copied"] == result["keep"] > 0
    rows = read_manifest(tmp_path / "kept")
    assert len(rows) == result["keep"]
    assert all((tmp_path / "kept" / row.output).is_file() for row in rows)


def test_a_dry_run_only_counts(tm, faces):
    result = tm("prep", "filter", faces, "--dry-run", "--json")
    assert result.json["pictures"] == 13
    assert not (faces / "manifest.jsonl").exists()


@pytest.mark.parametrize("content", [None, ""])
def test_a_folder_without_pictures_is_an_error(tm, tmp_path, content):
    folder = tmp_path / "x"
    if content is not None:
        folder.mkdir()
    result = tm("prep", "filter", folder)
    assert result.code in (2, 3)
    assert result.err.startswith("error:")


def test_the_split_is_written_unless_it_is_a_dry_run(tm, faces):
    tm("prep", "filter", faces, "--workers", 1)
    dry = tm("prep", "split", faces, "--test", 0.25, "--dry-run", "--json").json
    assert {row.split for row in read_manifest(faces)} == {None}
    result = tm("prep", "split", faces, "--test", 0.25, "--json").json
    assert (result["train"], result["test"]) == (dry["train"], dry["test"])
    rows = read_manifest(faces)
    assert {row.split for row in rows if row.usable} == {"train", "test"}
    assert {row.split for row in rows if not row.usable} == {None}


def test_a_folder_that_was_never_prepared_cannot_be_split(tm, tmp_path):
    result = tm("prep", "split", tmp_path)
    assert result.code == 3
    assert "no manifest.jsonl" in result.err


def test_the_sheet_shows_every_picture(tm, faces, tmp_path):
    tm("prep", "filter", faces, "--workers", 1)
    result = tm("prep", "sheet", faces, "--out", tmp_path / "s.png", "--columns", 4, "--json")
    assert result.json["pictures"] == 12
    with Image.open(tmp_path / "s.png") as sheet:
        assert sheet.width == 10 + 4 * 170
        assert np.asarray(sheet).std() > 20


def test_a_dry_run_of_a_sheet_writes_nothing(tm, faces, tmp_path):
    tm("prep", "filter", faces, "--workers", 1)
    result = tm("prep", "sheet", faces, "--out", tmp_path / "s.png", "--dry-run", "--json")
    assert result.json == {"dry_run": True, "sheet": str(tmp_path / "s.png"), "pictures": 12}
    assert not (tmp_path / "s.png").exists()


def test_pictures_gone_since_are_neither_drawn_nor_kept(tm, faces, tmp_path):
    tm("prep", "filter", faces, "--workers", 1)
    chosen = [row.output for row in read_manifest(faces) if row.verdict == "keep"]
    (faces / chosen[0]).unlink()
    (faces / chosen[1]).write_bytes(b"broken")
    result = tm("prep", "sheet", faces, "--out", tmp_path / "s.png", "--json")
    assert (result.code, result.json["pictures"]) == (0, 10)
    assert f"`{chosen[0]}`" in result.err
    assert f"`{chosen[1]}`" in result.err
    tm("prep", "filter", faces, "--workers", 1)
    verdicts = {row.output: row.verdict for row in read_manifest(faces)}
    assert [verdicts[name] for name in chosen[:2]] == [None, None]
