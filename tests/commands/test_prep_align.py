"""`tm prep align` on good photos, bad ones, and no photos at all."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engine.data.manifest import read_manifest
from engine.faces import fitting
from engine.geometry.landmarks import mean_error
from engine.images.saving import provenance_of
from engine.worlds import portraits

skimage_data = pytest.importorskip("skimage.data")


@pytest.fixture(scope="session")
def face():
    """A photograph with one frontal face, 512 px."""
    return skimage_data.astronaut()


@pytest.fixture
def photos(tmp_path, face):
    folder = tmp_path / "photos"
    folder.mkdir()
    Image.fromarray(face).save(folder / "30_1.jpg", quality=95)
    return folder


def rows_of(folder):
    return {Path(row.source).name: row for row in read_manifest(folder)}


def test_a_photo_is_aligned_and_its_row_is_complete(tm, photos, tmp_path):
    out = tmp_path / "out"
    result = tm("prep", "align", photos, out, "--size", 64, "--json")
    assert result.code == 0
    assert result.json["done"] == 1
    row = json.loads((out / "manifest.jsonl").read_text().splitlines()[0])
    assert (row["source"], row["output"]) == ("../photos/30_1.jpg", "30_1.png")
    assert (row["status"], row["reason"], row["age"]) == ("done", None, 30.0)
    assert len(row["sha256"]) == 64
    assert len(row["landmarks"]) == 68
    assert len(row["box"]) == len(row["quad"]) == 4
    with Image.open(out / "30_1.png") as picture:
        assert picture.size == (64, 64)
    assert provenance_of(out / "30_1.png")["sha256"] == row["sha256"]


def test_a_second_run_does_only_what_is_new_or_changed(tm, photos, tmp_path, face):
    out = tmp_path / "out"
    align = ("prep", "align", photos, out, "--size", 64, "--json")
    tm(*align)
    before = (out / "30_1.png").stat().st_mtime_ns
    again = tm(*align)
    assert (again.json["done"], again.json["kept"]) == (0, 1)
    assert (out / "30_1.png").stat().st_mtime_ns == before
    Image.fromarray(face[:, ::-1]).save(photos / "31_1.png")
    assert (tm(*align).json["done"], len(rows_of(out))) == (1, 2)
    Image.fromarray(face[:, ::-1]).save(photos / "30_1.jpg")
    assert tm(*align).json["done"] == 1
    (out / "31_1.png").unlink()
    assert tm(*align).json["done"] == 1
    other_size = tm("prep", "align", photos, out, "--size", 48, "--json")
    assert other_size.json["done"] == 2


def test_a_dry_run_touches_nothing(tm, photos, tmp_path):
    result = tm("prep", "align", photos, tmp_path / "out", "--dry-run", "--json")
    assert (result.code, result.json["photos"]) == (0, 1)
    assert not (tmp_path / "out").exists()


def jpeg(pixels, mode="RGB"):
    buffer = BytesIO()
    Image.fromarray(pixels).convert(mode).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


def test_unusable_files_have_a_reason_and_good_photos_are_aligned(tm, photos, tmp_path, face):
    wide = np.zeros((20, 20_000, 3), np.uint8)
    horrors = {
        "truncated.jpg": jpeg(face)[:9_000],
        "empty.jpg": b"",
        "text.jpg": b"not a picture at all",
        "page.png": b"<!DOCTYPE html><html></html>",
        "cmyk.jpg": jpeg(face, "CMYK"),
    }
    for name, content in horrors.items():
        (photos / name).write_bytes(content)
    Image.fromarray(wide).save(photos / "wide.png")
    Image.new("RGB", (1, 1)).save(photos / "one.png")
    Image.new("1", (30_000, 30_000)).save(photos / "bomb.png")
    Image.fromarray(face[..., 0].astype(np.uint16) * 257).save(photos / "deep.png")
    Image.fromarray(face).quantize(200).save(photos / "palette.png")
    frames = [Image.fromarray(face), Image.fromarray(face[::-1])]
    frames[0].save(photos / "moving.gif", save_all=True, append_images=frames[1:])
    frames[0].save(photos / "moving.webp", save_all=True, append_images=frames[1:])
    Image.fromarray(face).save(photos / "Großmutter 40 歳.png")
    (photos / "notes.txt").write_text("not looked at")
    (photos / "loop").symlink_to(photos)
    (photos / "gone.jpg").symlink_to(photos / "nowhere.jpg")
    out = tmp_path / "out"
    result = tm("prep", "align", photos, out, "--size", 64, "--json")
    assert result.code == 0
    rows = rows_of(out)
    done = {name for name, row in rows.items() if row.status == "done"}
    assert done == {
        *("30_1.jpg", "cmyk.jpg", "deep.png", "palette.png", "moving.gif", "moving.webp"),
        "Großmutter 40 歳.png",
    }
    reasons = {name: row.reason for name, row in rows.items() if name not in done}
    assert set(reasons) >= {*horrors, "wide.png", "one.png", "bomb.png"} - done
    assert "over the limit of 250 megapixels" in reasons["bomb.png"]
    assert reasons["one.png"] == reasons["wide.png"] == "no face found"
    assert {rows[name].status for name in ("one.png", "wide.png")} == {"skipped"}
    assert {rows[name].status for name in ("truncated.jpg", "empty.jpg", "text.jpg")} == {"failed"}
    assert sorted(path.name for path in out.glob("*.png")) == sorted(
        f"{Path(name).stem}.png" if name != "moving.webp" else "moving-webp.png" for name in done
    )
    assert not list(out.rglob("*.partial"))


@pytest.mark.parametrize("files", [{}, {"notes.txt": "x", "more.md": "y"}])
def test_a_folder_without_pictures_is_explained(tm, tmp_path, files):
    folder = tmp_path / "photos"
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_text(content)
    result = tm("prep", "align", folder, tmp_path / "out")
    assert result.code == 3
    assert "nothing to align" in result.err


def test_a_source_that_does_not_exist_is_a_usage_error(tm, tmp_path):
    result = tm("prep", "align", tmp_path / "nowhere", tmp_path / "out")
    assert result.code == 2
    assert "does not exist" in result.err


def test_no_face_in_any_photo_exits_3(tm, tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    Image.fromarray(skimage_data.brick()).save(folder / "wall.png")
    result = tm("prep", "align", folder, tmp_path / "out", "--size", 64)
    assert result.code == 3
    assert "no face found" in result.err


def test_strict_exits_3_when_anything_was_left_out(tm, photos, tmp_path):
    (photos / "text.jpg").write_text("no picture")
    align = ("prep", "align", photos, tmp_path / "out", "--size", 64)
    assert tm(*align).code == 0
    assert tm(*align, "--strict").code == 3


def test_every_face_gets_its_number(tm, tmp_path, face):
    folder = tmp_path / "photos"
    folder.mkdir()
    small = np.asarray(Image.fromarray(face).resize((384, 384)))
    pair = np.zeros((512, 896, 3), np.uint8)
    pair[:, :512], pair[:384, 512:] = face, small
    Image.fromarray(pair).save(folder / "pair.png")
    out = tmp_path / "out"
    result = tm("prep", "align", folder, out, "--size", 64, "--face", "all", "--json")
    assert result.json["done"] == 2
    assert sorted(path.name for path in out.glob("*.png")) == ["pair_1.png", "pair_2.png"]
    boxes = [row.box for row in sorted(read_manifest(out), key=lambda row: row.face)]
    assert boxes[0][0] < 512 < boxes[1][0]
    second = tm("prep", "align", folder, tmp_path / "second", "--size", 64, "--face", "2")
    assert second.code == 0
    assert read_manifest(tmp_path / "second")[0].box[0] > 512


@pytest.mark.parametrize("rule", ["biggest", "0", "-1", "like:", "like:nowhere.jpg"])
def test_a_rule_that_is_none_is_refused(tm, photos, tmp_path, rule):
    result = tm("prep", "align", photos, tmp_path / "out", "--face", rule)
    assert result.code in (2, 3)
    assert result.err.startswith("error:")


def test_two_photos_of_one_name_keep_apart(tm, photos, tmp_path, face):
    Image.fromarray(face[:, ::-1]).save(photos / "30_1.png")
    (photos / "more").mkdir()
    Image.fromarray(face).save(photos / "more" / "30_1.png")
    out = tmp_path / "out"
    assert tm("prep", "align", photos, out, "--size", 64, "--json").json["done"] == 3
    names = sorted(path.relative_to(out).as_posix() for path in out.rglob("*.png"))
    assert names == ["30_1-png.png", "30_1.png", "more/30_1.png"]


def test_ages_come_from_a_table_and_from_dates(tm, tmp_path, face):
    folder = tmp_path / "photos"
    folder.mkdir()
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9003] = "2005:07:01 12:00:00"
    Image.fromarray(face).save(folder / "IMG_1.jpg", exif=exif)
    Image.fromarray(face).save(folder / "IMG_2.jpg")
    (tmp_path / "ages.csv").write_text("path,age\nIMG_2.jpg,0\n")
    argv = ("--ages", tmp_path / "ages.csv", "--born", "1975", "--size", 64)
    result = tm("prep", "align", folder, tmp_path / "out", *argv)
    rows = rows_of(tmp_path / "out")
    assert (rows["IMG_1.jpg"].age, rows["IMG_1.jpg"].age_by) == (30.0, "date")
    assert (rows["IMG_2.jpg"].age, rows["IMG_2.jpg"].age_by) == (0.0, "csv")
    assert "few to learn a person from" in result.err


def test_unknown_ages_and_a_narrow_span_are_warned_about(tm, photos, tmp_path, face):
    Image.fromarray(face).save(photos / "x.png")
    result = tm("prep", "align", photos, tmp_path / "out", "--size", 64, "--json")
    assert any("age is unknown in 1 of 2" in text for text in result.json["warnings"])
    assert any("less than 10 years" in text for text in result.json["warnings"])


def test_known_points_take_the_place_of_the_detector(tm, tmp_path):
    truth = tmp_path / "world"
    tm("prep", "synth", truth, "--people", 1, "--per-person", 2, "--size", 128, "--seed", 400_000)
    argv = ("--landmarks", truth / "manifest.jsonl", "--size", 64, "--json")
    result = tm("prep", "align", truth, tmp_path / "out", *argv)
    assert result.json["done"] == 2
    assert {row.detector for row in read_manifest(tmp_path / "out")} == {"given"}


def test_the_face_mesh_takes_the_place_of_dlibs_points(tm, photos, tmp_path, monkeypatch):
    assert tm("prep", "align", photos, tmp_path / "dlib", "--size", 64).code == 0
    monkeypatch.setattr(fitting, "points_68", None)
    argv = ("--landmarks", "mesh", "--size", 64, "--workers", 1)
    assert tm("prep", "align", photos, tmp_path / "mesh", *argv).code == 0
    (dlib,), (mesh,) = read_manifest(tmp_path / "dlib"), read_manifest(tmp_path / "mesh")
    assert (mesh.detector, mesh.box) == (dlib.detector, dlib.box)
    assert 0 < mean_error(np.array(mesh.landmarks), np.array(dlib.landmarks)) < 0.06


def test_a_false_face_is_skipped_with_its_reason(tm, tmp_path):
    scene = portraits.scene(400_107, unaligned=1.0)
    drawn = portraits.render(portraits.identity(400_107), 37.0, scene, 512)
    Image.fromarray(255 - drawn.picture).save(tmp_path / "negative.png")
    argv = ("prep", "align", tmp_path / "negative.png")
    assert tm(*argv, tmp_path / "out", "--size", 64).code == 3
    (row,) = read_manifest(tmp_path / "out")
    assert row.status == "skipped"
    assert "is none by the face mesh" in str(row.reason)
    alone = tm(*argv, tmp_path / "alone", "--size", 64, "--set", "detection.min_flag=0")
    assert alone.code == 0


def test_a_device_that_cannot_serve_is_refused(tm, photos, tmp_path):
    result = tm("prep", "align", photos, tmp_path / "out", "--device", "cuda")
    assert result.code == 2
    assert "runs on the processor" in result.err


def test_an_unreadable_photo_is_failed_with_its_reason(tm, photos, tmp_path, monkeypatch, face):
    Image.fromarray(face).save(photos / "secret.png")
    real = os.open

    def refuse(path, *args, **kwargs):
        if str(path).endswith("secret.png"):
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return real(path, *args, **kwargs)

    real_open = Path.open

    def refuse_open(self, *args, **kwargs):
        if self.name == "secret.png" and self.parent == photos:
            raise PermissionError(errno.EACCES, "Permission denied", str(self))
        return real_open(self, *args, **kwargs)

    monkeypatch.setattr(os, "open", refuse)
    monkeypatch.setattr(Path, "open", refuse_open)
    out = tmp_path / "out"
    assert tm("prep", "align", photos, out, "--size", 64, "--workers", 1).code == 0
    row = rows_of(out)["secret.png"]
    assert row.status == "failed"
    assert "ermission denied" in row.reason


@pytest.mark.parametrize(
    ("code", "exit_code", "words"),
    [(errno.ENOSPC, 1, "no space left to write"), (errno.EACCES, 2, "may not be written")],
)
def test_a_disk_that_refuses_ends_the_batch_and_loses_nothing(
    tm, photos, tmp_path, monkeypatch, face, code, exit_code, words
):
    out = tmp_path / "out"
    align = ("prep", "align", photos, out, "--size", 64, "--workers", 1)
    tm(*align)
    Image.fromarray(face[:, ::-1]).save(photos / "31_1.png")
    Image.fromarray(face[:, ::-1]).save(photos / "32_1.png")
    real = Path.open

    def refuse(self, mode="r", *args, **kwargs):
        if "32_1" in self.name and "w" in mode:
            raise OSError(code, os.strerror(code), str(self))
        return real(self, mode, *args, **kwargs)

    monkeypatch.setattr(Path, "open", refuse)
    result = tm(*align)
    assert result.code == exit_code
    assert words in result.err
    monkeypatch.undo()
    assert {name for name, row in rows_of(out).items() if row.status == "done"} == {
        *("30_1.jpg", "31_1.png")
    }
    assert not list(out.glob(".*partial"))
    assert tm(*align, "--json").json["done"] == 1


def test_two_runs_on_one_folder_do_not_mix(tm, photos, tmp_path):
    from engine.core.lock import locked

    out = tmp_path / "out"
    with locked(out):
        result = tm("prep", "align", photos, out)
    assert result.code == 2
    assert f"in use by process {os.getpid()} " in result.err


def start(photos, out, *more):
    argv = [sys.executable, "-m", "tm", "prep", "align", photos, out, "--size", "64", *more]
    return subprocess.Popen(
        [str(part) for part in argv],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_for_rows(out, count):
    for _ in range(600):
        journal = out / ".manifest.jsonl.journal"
        if journal.exists() and journal.read_text().count('"done"') >= count:
            return
        time.sleep(0.1)
    pytest.fail("the run never got that far")


@pytest.mark.parametrize(("how", "code"), [(signal.SIGKILL, -9), (signal.SIGINT, 130)])
def test_a_run_that_is_stopped_goes_on_where_it_was(tm, photos, tmp_path, face, how, code):
    # Each a little darker, so that no two are equal.
    for number in range(20):
        Image.fromarray(face - np.minimum(face, number)).save(photos / f"{number}_1.png")
    out = tmp_path / "out"
    process = start(photos, out)
    wait_for_rows(out, 3)
    os.killpg(process.pid, how)
    process.communicate(timeout=60)
    assert process.returncode == code
    result = tm("prep", "align", photos, out, "--size", 64, "--json")
    assert result.code == 0
    assert result.json["kept"] >= 3
    assert result.json["kept"] + result.json["done"] == 21
    assert len(list(out.glob("*.png"))) == 21
    assert not list(out.rglob("*.partial"))
