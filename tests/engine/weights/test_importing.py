import json
import shutil

import pytest
import torch
from safetensors.torch import save_file

from engine.core.digest import file_sha256
from engine.core.errors import DiskError, UsageError, WeightsError
from engine.weights.checkpoint import Checkpoint
from engine.weights.folder import weights_file
from engine.weights.importing import plan_import, write_import
from engine.weights.load import read_checkpoint, read_known
from engine.weights.lockfile import LOCK
from engine.weights.native import read_card, save_native


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "weights"


def test_a_published_file_is_known_by_its_name_and_converted(toys, saved, folder, same):
    path = saved(toys.sam(), "sam_ffhq_aging.pt")
    plan = plan_import(path)
    assert (plan.name, plan.output) == ("sam", folder / "sam.safetensors")
    assert not folder.exists()
    assert write_import(plan)
    found, source = read_known("sam"), read_checkpoint(path)
    assert found.kind == "sam"
    assert all(same(found.parts[part], source.parts[part]) for part in source.parts)
    card = read_card(folder / "sam.safetensors")["card"]
    assert card["source_sha256"] == file_sha256(path)
    assert "MIT" in card["licence"]


def test_a_file_of_ones_own_keeps_its_name(toys, saved, folder):
    plan = plan_import(saved(toys.sam(), "Großmutter best (2).pt"))
    assert plan.name == "gro-mutter-best-2"
    write_import(plan)
    assert weights_file("gro-mutter-best-2") == folder / "gro-mutter-best-2.safetensors"


def test_importing_twice_changes_nothing(toys, saved):
    path = saved(toys.sam())
    assert write_import(plan_import(path, name="mine"))
    assert not write_import(plan_import(path, name="mine"))


@pytest.mark.parametrize("converted", [True, False])
def test_an_import_that_was_killed_before_it_went_on_record_goes_on(
    toys, saved, folder, tmp_path, converted
):
    path = saved(toys.sam())
    if not converted:
        path = tmp_path / "sam.safetensors"
        save_native(path, Checkpoint("sam", {"decoder": {"a": torch.ones(2)}}))
    write_import(plan_import(path, name="mine"))
    record = folder / LOCK
    (before,) = json.loads(record.read_text())["files"].values()
    record.unlink()
    assert not write_import(plan_import(path, name="mine"))
    (after,) = json.loads(record.read_text())["files"].values()
    assert after | {"at": ""} == before | {"at": ""}


def test_other_weights_of_that_name_need_replacing(toys, saved):
    write_import(plan_import(saved(toys.sam(), "a.pt"), name="mine"))
    other = plan_import(saved(toys.ir_se50(), "b.pt"), name="mine")
    with pytest.raises(UsageError, match="there are other weights at"):
        write_import(other)
    assert read_known("mine").kind == "sam"
    assert write_import(other, replacing=True)
    assert read_known("mine").kind == "ir_se50"


def test_a_file_that_is_not_what_its_name_says_is_refused(toys, saved):
    with pytest.raises(WeightsError, match="holds `ir_se50` weights, `sam` needs `sam`"):
        plan_import(saved(toys.ir_se50()), name="sam")
    with pytest.raises(WeightsError, match="holds `ir_se50` weights, `sam` needs `sam`"):
        plan_import(saved(toys.ir_se50(), "sam.pt"))


def test_a_file_for_another_library_is_verified_and_kept_as_it_is(saved, folder, host, weight):
    path = saved({"params": {"conv_first.weight": torch.ones(3)}}, "GFPGANv1.4.pth")
    plan = plan_import(path)
    assert plan.checkpoint is None
    write_import(plan)
    assert (folder / "GFPGANv1.4.pth").read_bytes() == path.read_bytes()
    assert weights_file("gfpgan") == folder / "GFPGANv1.4.pth"


def test_a_file_with_a_published_digest_must_have_it(saved, tmp_path):
    path = saved({"w": torch.ones(3)}, "alexnet.pth")
    with pytest.raises(WeightsError, match="is not the published `alexnet-owt-7be5be79.pth`"):
        plan_import(path, name="lpips-alex")
    with pytest.raises(WeightsError, match="the published `RealESRGAN_x4plus.pth` 67,040,989"):
        plan_import(path, name="realesrgan-x4")


def test_a_published_file_under_another_name_is_known_by_its_digest(folder, tmp_path):
    original = weights_file("dlib-cnn-detector")
    copy = tmp_path / "renamed.dat"
    copy.write_bytes(original.read_bytes())
    plan = plan_import(copy)
    assert plan.name == "dlib-cnn-detector"
    write_import(plan)
    assert weights_file("dlib-cnn-detector") == folder / original.name


def test_safetensors_of_a_pickled_entry_keep_their_form(tmp_path, folder):
    save_file({"input_layer.0.weight": torch.ones(2)}, tmp_path / "model.safetensors")
    write_import(plan_import(tmp_path / "model.safetensors", name="adaface"))
    assert weights_file("adaface") == folder / "adaface.safetensors"


def test_averaged_weights_are_the_default(toys, saved):
    averaged, raw = toys.decoder(), toys.decoder()
    path = saved({"g_ema": averaged, "g": raw})
    write_import(plan_import(path, name="one"))
    write_import(plan_import(path, name="two", ema=False))
    key = "style.1.weight"
    assert torch.equal(read_known("one").part("decoder")[key], averaged[key])
    assert torch.equal(read_known("two").part("decoder")[key], raw[key])
    with pytest.raises(UsageError, match="other weights"):
        write_import(plan_import(path, name="one", ema=False))


def test_a_file_in_the_folder_itself_can_be_converted(toys, folder):
    folder.mkdir()
    torch.save(toys.sam(), folder / "sam_ffhq_aging.pt")
    write_import(plan_import(folder / "sam_ffhq_aging.pt"))
    assert weights_file("sam") == folder / "sam.safetensors"


def test_a_file_of_our_own_keeps_its_card(tmp_path, folder):
    card = {"what": "a nano generator", "licence": "MIT", "made_by": "tm train"}
    parts = {"generator": {"w": torch.ones(2)}}
    save_native(tmp_path / "nano.safetensors", Checkpoint("native", parts, card=card))
    write_import(plan_import(tmp_path / "nano.safetensors"))
    kept = read_card(folder / "nano.safetensors")["card"]
    assert kept | card == kept
    assert kept["source"] == "nano.safetensors"


def test_a_folder_of_files_is_not_imported_as_one(saved):
    with pytest.raises(UsageError, match="is a folder of several files"):
        plan_import(saved({"w": torch.ones(1)}), name="janus-pro-1b")


def test_a_full_disk_is_an_error_before_anything_is_written(toys, saved, folder, monkeypatch):
    folder.mkdir()
    plan = plan_import(saved(toys.sam()), name="mine")
    monkeypatch.setattr("shutil.disk_usage", lambda path: shutil._ntuple_diskusage(9, 9, 0))
    with pytest.raises(DiskError, match=r"has 0\.0 GB free"):
        write_import(plan)
    assert not plan.output.exists()


def test_a_name_that_cannot_be_typed_is_refused(toys, saved):
    with pytest.raises(UsageError, match="makes no name"):
        plan_import(saved(toys.sam()), name="祖母")


def test_what_cannot_be_recognised_leaves_nothing(saved, folder):
    with pytest.raises(WeightsError, match="no checkpoint that is known here"):
        plan_import(saved({"w": torch.ones(1)}))
    assert not folder.exists()
