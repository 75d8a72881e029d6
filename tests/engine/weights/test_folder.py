import json
import os

import pytest
import torch

from engine.core.errors import UsageError, WeightsError
from engine.weights.check import check_folder
from engine.weights.find import find_weights
from engine.weights.folder import weights_file
from engine.weights.load import read_known
from engine.weights.lockfile import LOCK

SAM = "sam_ffhq_aging.pt"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "weights").mkdir()
    return tmp_path / "weights"


@pytest.fixture
def sam(folder, toys):
    torch.save(toys.sam(), folder / SAM)
    return folder / SAM


def touched(path, content):
    """Change a file so that its time of change tells."""
    path.write_bytes(content)
    os.utime(path, ns=(1, path.stat().st_mtime_ns + 10**9))


def states(findings):
    return {finding.path.name: finding.state for finding in findings}


def test_a_known_network_is_read_by_its_name(sam):
    assert weights_file("sam") == sam
    assert read_known("sam").kind == "sam"


def test_what_is_not_here_comes_with_where_to_get_it(folder):
    with pytest.raises(WeightsError, match=f"`sam` are not in `{folder}`") as error:
        weights_file("sam")
    assert "github.com/yuval-alaluf/SAM" in error.value.hint
    assert f"tm weights import {SAM} --name sam" in error.value.hint
    with pytest.raises(WeightsError, match="gfpgan") as error:
        weights_file("gfpgan")
    assert "tm weights pull gfpgan" in error.value.hint
    with pytest.raises(UsageError, match="unknown weights"):
        weights_file("sma")


def test_an_unknown_name_is_offered_the_nearest_of_all_names_that_work(folder, sam):
    (folder / "grandmother.safetensors").write_bytes(b"")
    for typed, meant in (("nanoo", "nano"), ("grandmohter", "grandmother"), ("gfpgam", "gfpgan")):
        with pytest.raises(UsageError) as error:
            find_weights(typed)
        assert error.value.hint == f"did you mean `{meant}`?"


def test_dlibs_files_are_found_in_their_package():
    assert weights_file("dlib-68-points").name == "shape_predictor_68_face_landmarks.dat"


def test_a_digest_is_recorded_at_first_sight_and_checked_ever_after(folder, sam):
    weights_file("sam")
    assert list(json.loads((folder / LOCK).read_text())["files"]) == [SAM]
    touched(sam, sam.read_bytes() + b"\0")
    with pytest.raises(WeightsError, match="is not what it was on 20.*SHA-256") as error:
        weights_file("sam")
    assert error.value.exit_code == 4


def test_a_file_that_was_only_touched_is_still_the_same(sam):
    weights_file("sam")
    touched(sam, sam.read_bytes())
    assert weights_file("sam") == sam


def test_a_file_that_was_not_touched_is_not_read_again(folder, sam, monkeypatch):
    weights_file("sam")
    monkeypatch.setattr("engine.weights.lockfile.file_sha256", lambda path: pytest.fail("read"))
    assert weights_file("sam") == sam
    assert states(check_folder(folder)) == {SAM: "ok"}


def test_a_full_check_finds_what_size_and_time_conceal(folder, sam):
    check_folder(folder)
    before, content = sam.stat(), bytearray(sam.read_bytes())
    content[-200] ^= 1
    sam.write_bytes(content)
    os.utime(sam, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert states(check_folder(folder)) == {SAM: "ok"}
    assert states(check_folder(folder, full=True)) == {SAM: "changed"}


def test_a_check_reports_every_kind_of_fault(folder, sam):
    (folder / "RealESRGAN_x4plus.pth").write_bytes(b"\x80" * 100)
    (folder / "alexnet-owt-7be5be79.pth").write_bytes(b"\x80" * 100)
    (folder / "GFPGANv1.4.pth").write_bytes(b"<html>quota</html>")
    (folder / "mine.safetensors").write_bytes(b"own")
    (folder / "x.bin.part").write_bytes(b"unfinished")
    findings = check_folder(folder)
    assert states(findings) == {
        SAM: "recorded",
        "RealESRGAN_x4plus.pth": "wrong",
        "alexnet-owt-7be5be79.pth": "wrong",
        "GFPGANv1.4.pth": "damaged",
        "mine.safetensors": "recorded",
    }
    notes = {finding.path.name: finding.note for finding in findings}
    assert notes["RealESRGAN_x4plus.pth"] == "has 100 bytes instead of 67,040,989"
    assert notes["GFPGANv1.4.pth"] == "is a web page, not a weights file"


def test_a_missing_file_is_reported_and_stays_on_record(folder, sam):
    check_folder(folder)
    content = sam.read_bytes()
    sam.unlink()
    assert states(check_folder(folder)) == {SAM: "gone"}
    touched(sam, content[:-1] + b"\1")
    assert states(check_folder(folder))[SAM] in ("changed", "damaged")


def test_a_check_that_must_not_write_records_nothing(folder, sam):
    assert states(check_folder(folder, write=False)) == {SAM: "recorded"}
    assert not (folder / LOCK).exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_can_still_be_used(folder, sam):
    folder.chmod(0o500)
    try:
        assert weights_file("sam") == sam
    finally:
        folder.chmod(0o700)


def test_a_folder_of_files_is_checked_file_by_file(folder):
    (folder / "janus-pro-1b").mkdir()
    (folder / "janus-pro-1b" / "config.json").write_text("{}")
    assert weights_file("janus-pro-1b") == folder / "janus-pro-1b"
    assert states(check_folder(folder)) == {"config.json": "ok"}
    touched(folder / "janus-pro-1b" / "config.json", b"{ }")
    with pytest.raises(WeightsError, match=r"config\.json. is not what it was"):
        weights_file("janus-pro-1b")


@pytest.mark.parametrize("content", ["{", "[]", '{"schema": 2, "files": {}}', '{"schema": 1}'])
def test_a_record_that_cannot_be_read_is_an_error(folder, sam, content):
    (folder / LOCK).write_text(content)
    with pytest.raises(WeightsError, match=r"weights\.lock\.json. cannot be read"):
        weights_file("sam")


def test_what_two_processes_record_at_once_is_kept(folder, sam):
    from engine.weights.lockfile import Lock

    (folder / "other.bin").write_bytes(b"x")
    one, two = Lock(folder), Lock(folder)
    one.record(sam, "a" * 64, "found")
    two.record(folder / "other.bin", "b" * 64, "found")
    one.save()
    two.save()
    assert set(Lock(folder).files) == {SAM, "other.bin"}
