import argparse
import os
import pickle
import shutil
import subprocess
import sys
import warnings
import zipfile

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from engine.core.errors import WeightsError
from engine.weights.load import read_checkpoint, read_tensors


class Runs:
    """A pickle of it asks to run a function while it is read."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.fixture
def trap(tmp_path):
    """A pickled call that leaves a file behind if anything runs it."""
    mark = tmp_path / "it-ran"
    yield Runs(os.system, f"touch '{mark}'")
    assert not mark.exists()


def test_the_trap_does_spring_where_pickles_are_trusted(tmp_path):
    mark = tmp_path / "sprung"
    pickle.loads(pickle.dumps(Runs(os.system, f"touch '{mark}'")))
    assert mark.exists()


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("place", ["state_dict", "opts", "beside"])
def test_a_pickle_that_runs_code_is_refused_and_nothing_runs(saved, trap, toys, zipped, place):
    path = saved(toys.sam() | {place: trap}, _use_new_zipfile_serialization=zipped)
    with pytest.raises(WeightsError, match="asks to run `posix.system`.*nothing was run") as error:
        read_checkpoint(path)
    assert error.value.exit_code == 4
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("function", [eval, exec, print, subprocess.call, torch.load, getattr])
def test_no_function_of_any_kind_is_run(saved, function):
    with pytest.raises(WeightsError, match="asks to run"):
        read_tensors(saved({"w": Runs(function, "1")}))


def test_a_class_of_ours_or_of_a_library_is_refused(saved):
    with pytest.raises(WeightsError, match=r"asks to run `pathlib\."):
        read_tensors(saved({"opts": {"exp_dir": __import__("pathlib").Path("x")}}))


def test_what_other_code_allowed_is_not_allowed_here(saved):
    path = saved({"w": Runs(shutil.which, "sh")})
    with torch.serialization.safe_globals([shutil.which]):
        assert torch.load(path, weights_only=True)["w"].endswith("sh")
        with pytest.raises(WeightsError, match=r"asks to run `shutil\.which`"):
            read_tensors(path)
        assert shutil.which in torch.serialization.get_safe_globals()


@pytest.mark.parametrize("zipped", [True, False])
def test_a_namespace_and_numpy_numbers_load(saved, zipped):
    options = argparse.Namespace(size=256, lr=np.float64(0.002), n=np.int64(-3), on=np.bool_(True))
    content = {"args": options, "w": torch.arange(3.0), "val_acc": np.float32(0.5)}
    found = read_tensors(saved(content, _use_new_zipfile_serialization=zipped))
    assert vars(found["args"]) == {"size": 256, "lr": 0.002, "n": -3, "on": True}
    assert found["val_acc"] == 0.5
    assert type(found["val_acc"]) is float
    assert found["w"].tolist() == [0, 1, 2]


def test_numpy_numbers_of_older_numpy_load_too(saved, tmp_path):
    path = saved({"v": np.float64(0.25), "w": torch.ones(1)}, _use_new_zipfile_serialization=False)
    new, old = b"numpy._core.multiarray", b"numpy.core.multiarray"
    content = path.read_bytes()
    assert new in content
    path.write_bytes(content.replace(new, old))
    assert read_tensors(path)["v"] == 0.25


def test_numpy_arrays_are_refused(saved):
    with pytest.raises(WeightsError, match="_reconstruct"):
        read_tensors(saved({"w": np.ones(3)}))


def test_a_scalar_that_is_no_number_is_refused(saved):
    scalar = np._core.multiarray.scalar
    with pytest.raises(WeightsError, match="no weights file"):
        read_tensors(saved({"v": Runs(scalar, np.dtype("O"), pickle.dumps(1))}))


def test_a_file_of_the_older_form_holds_the_same(saved, toys, same):
    content = toys.sam()
    old = read_checkpoint(saved(content, "old.pt", _use_new_zipfile_serialization=False))
    new = read_checkpoint(saved(content, "new.pt"))
    assert old.kind == new.kind == "sam"
    assert all(same(old.parts[part], new.parts[part]) for part in new.parts)


def test_a_zip_that_was_packed_again_is_not_mapped_wrongly(saved, tmp_path):
    path, packed = saved({"w": torch.arange(5000.0)}), tmp_path / "packed.pt"
    with (
        zipfile.ZipFile(path) as source,
        zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as target,
    ):
        for entry in source.infolist():
            target.writestr(entry.filename, source.read(entry))
    assert torch.equal(read_tensors(packed)["w"], torch.arange(5000.0))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"\n <!DOCTYPE html><html><title>Quota exceeded", "is a web page, not a weights file"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "is a Git LFS pointer"),
        (b"PK\x03\x04 and then nothing", "is cut short"),
        (b"\x80\x02garbage", "no weights file, or a damaged one"),
        (b"what ever this is", "no weights file, or a damaged one"),
        (b'\x40\x00\x00\x00\x00\x00\x00\x00{"w":{"dtype"', "is cut short"),
    ],
)
def test_a_file_of_another_nature_is_named(tmp_path, content, said):
    path = tmp_path / "sam_ffhq_aging.pt"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=said) as error:
        read_checkpoint(path)
    assert error.value.exit_code == 4
    assert error.value.hint == "fetch it again"
    assert "\n" not in str(error.value)
    assert "weights_only" not in str(error.value)


@pytest.mark.parametrize("name", ["notes.txt", "notes.pt"])
def test_a_text_file_is_refused_without_the_number_of_an_operation(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"hi\n")
    with pytest.raises(WeightsError, match="no weights file, or a damaged one$"):
        read_checkpoint(path)


def test_a_program_of_torchscript_is_named(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.trace(torch.nn.Linear(1, 1), torch.ones(1)), tmp_path / "toy.pt")
        with pytest.raises(WeightsError, match="is a TorchScript program"):
            read_checkpoint(tmp_path / "toy.pt")


def test_changing_what_was_read_does_not_change_the_file(saved):
    path = saved({"w": torch.zeros(1000)})
    before = path.read_bytes()
    read_tensors(path)["w"].fill_(1)
    assert path.read_bytes() == before


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_file_that_is_cut_short_is_refused(saved, toys, zipped, share):
    path = saved(toys.sam(), _use_new_zipfile_serialization=zipped)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(WeightsError, match=r"cut short|damaged one"):
        read_checkpoint(path)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_safetensors_file_that_is_cut_short_is_refused(tmp_path, share):
    path = tmp_path / "toy.safetensors"
    save_file({"w": torch.zeros(10_000)}, path)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(WeightsError, match="cut short"):
        read_checkpoint(path)


def test_what_is_not_there_and_what_is_a_folder(tmp_path):
    with pytest.raises(WeightsError, match="there is no weights file"):
        read_checkpoint(tmp_path / "none.pt")
    with pytest.raises(WeightsError, match="is a folder"):
        read_checkpoint(tmp_path)


def test_the_extension_does_not_matter(tmp_path, toys, saved):
    path = saved(toys.sam(), "sam.safetensors")
    assert read_checkpoint(path).kind == "sam"
    flat = {**toys.sam()["state_dict"], "latent_avg": torch.randn(8, 512)}
    save_file(flat, tmp_path / "sam.pth")
    found = read_checkpoint(tmp_path / "sam.pth")
    assert found.kind == "sam"
    assert torch.equal(found.latent_avg, flat["latent_avg"])


MEASURED = """
import sys
from pathlib import Path

import torch

from engine.weights.load import read_checkpoint


def now(field):
    status = Path("/proc/self/status").read_text()
    return int(status.split(field + ":")[1].split()[0]) * 1024


path = Path(sys.argv[1])
before = now("VmRSS")
found = read_checkpoint(path)
unread = (now("VmHWM") - before) / path.stat().st_size
total = sum(float(tensor.sum()) for part in found.parts.values() for tensor in part.values())
print(unread, (now("VmHWM") - before) / path.stat().st_size, total)
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="needs Linux's /proc")
@pytest.mark.parametrize("form", ["zip", "safetensors"])
def test_loading_a_file_and_reading_all_of_it_takes_its_size_in_memory(toys, tmp_path, form):
    content = toys.sam()
    for index in range(16):
        content["state_dict"][f"encoder.big.{index}"] = torch.full((3_200_000,), 1.0)
    path = tmp_path / f"big.{form}"
    if form == "zip":
        torch.save(content, path)
    else:
        save_file(content["state_dict"], path)
    assert path.stat().st_size > 200_000_000
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, path], capture_output=True, text=True, check=True
    )
    unread, ratio, total = map(float, done.stdout.split())
    print(f"{form}: {unread:.2f} file sizes read, {ratio:.2f} used")  # noqa: T201 - for reports
    assert total > 51_000_000
    assert unread <= 0.3
    assert ratio <= 1.3
