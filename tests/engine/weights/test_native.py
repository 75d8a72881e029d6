import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from engine.core.errors import WeightsError
from engine.weights.checkpoint import Checkpoint
from engine.weights.load import read_checkpoint
from engine.weights.native import read_card, save_native
from engine.weights.tensors import CODES, write_safetensors


@pytest.fixture
def checkpoint():
    tied = torch.randn(3)
    generator = {
        "half": torch.randn(4).half(),
        "brain": torch.randn(4).bfloat16(),
        "count": torch.tensor(7),
        "turned": torch.randn(3, 5).T,
        "tied.one": tied,
        "tied.two": tied,
        "empty": torch.zeros(0, 3),
    }
    parts = {"generator": generator, "identity": {"w": torch.randn(2)}}
    card = {"what": "a toy", "licence": "MIT", "made_by": "tests", "source": "50 % größer"}
    return Checkpoint(
        "native", parts, torch.randn(10, 512), step=12, ema=True, facts={"size": 64}, card=card
    )


def test_a_file_of_ours_gives_back_what_went_in(tmp_path, checkpoint, same):
    save_native(tmp_path / "toy.safetensors", checkpoint)
    found = read_checkpoint(tmp_path / "toy.safetensors")
    assert (found.kind, found.step, found.ema) == ("native", 12, True)
    assert found.facts == checkpoint.facts
    assert found.card == checkpoint.card
    assert torch.equal(found.latent_avg, checkpoint.latent_avg)
    assert list(found.parts) == ["generator", "identity"]
    for part, state in checkpoint.parts.items():
        assert same(found.parts[part], state)


def test_the_file_is_plain_safetensors_that_others_can_read(tmp_path, checkpoint):
    save_native(tmp_path / "toy.safetensors", checkpoint)
    tensors = load_file(tmp_path / "toy.safetensors")
    assert tensors["generator/half"].dtype == torch.float16
    assert read_card(tmp_path / "toy.safetensors")["card"]["licence"] == "MIT"


def test_the_same_checkpoint_gives_the_same_bytes(tmp_path, checkpoint):
    for name in ("one", "two"):
        save_native(tmp_path / name, checkpoint)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_the_file_can_be_read_by_whoever_the_umask_allows(tmp_path, checkpoint):
    (tmp_path / "plain").touch()
    save_native(tmp_path / "toy.safetensors", checkpoint)
    assert (tmp_path / "toy.safetensors").stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.parametrize("dtype", list(CODES), ids=str)
def test_every_type_of_number_is_written_as_the_library_writes_it(tmp_path, dtype):
    tensors = {"w": torch.tensor([[0, 1, 0], [1, 1, 0]]).to(dtype), "s": torch.tensor(1).to(dtype)}
    tensors |= {"odd": torch.tensor([1, 2, 3], dtype=torch.uint8), "none": torch.zeros(0, 2)}
    write_safetensors(tmp_path / "ours", tensors, {"one": "thing"})
    save_file(tensors, tmp_path / "theirs", {"one": "thing"})
    ours, theirs = load_file(tmp_path / "ours"), load_file(tmp_path / "theirs")
    assert set(ours) == set(theirs)
    for key, tensor in theirs.items():
        assert ours[key].dtype == tensor.dtype
        assert torch.equal(ours[key], tensor)


def test_every_tensor_begins_at_a_multiple_of_its_width(tmp_path):
    tensors = {"a": torch.zeros(3, dtype=torch.uint8), "b": torch.zeros(2), "c": torch.tensor(1)}
    write_safetensors(tmp_path / "ours", tensors, {})
    content = (tmp_path / "ours").read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    for key, tensor in tensors.items():
        assert (8 + length + header[key]["data_offsets"][0]) % tensor.element_size() == 0


def test_a_type_that_the_format_lacks_is_refused(tmp_path):
    odd = Checkpoint("native", {"a": {"w": torch.zeros(1, dtype=torch.complex64)}})
    with pytest.raises(WeightsError, match=r"`a/w` is torch\.complex64"):
        save_native(tmp_path / "x", odd)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_save_leaves_the_old_file_and_nothing_else(tmp_path, checkpoint):
    path = tmp_path / "toy.safetensors"
    save_native(path, checkpoint)
    before = path.read_bytes()
    broken = Checkpoint("native", {"a": {"w": torch.empty(3, device="meta")}})
    with pytest.raises(NotImplementedError, match="meta"):
        save_native(path, broken)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["toy.safetensors"]


def test_an_imported_kind_stays_what_it_was(tmp_path, toys, saved, same):
    found = read_checkpoint(saved(toys.sam()))
    save_native(tmp_path / "sam.safetensors", found)
    again = read_checkpoint(tmp_path / "sam.safetensors")
    assert again.kind == "sam"
    assert again.facts == found.facts
    assert all(same(again.parts[part], found.parts[part]) for part in found.parts)


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("{", "header of .* is damaged"),
        ('{"schema": 9}', "has layout 9 of our own format, not 1"),
        ('{"schema": 1, "kind": "sam"}', "lacks parts, step"),
    ],
)
def test_a_header_of_another_version_is_an_error(tmp_path, header, said):
    path = tmp_path / "toy.safetensors"
    save_file({"a/w": torch.zeros(1)}, path, {"tm": header})
    with pytest.raises(WeightsError, match=said):
        read_checkpoint(path)


def test_tensors_that_the_header_does_not_name_are_an_error(tmp_path):
    fields = {"schema": 1, "kind": "native", "parts": ["a", "b"], "step": None, "ema": False}
    header = json.dumps(fields | {"facts": {}, "card": {}})
    path = tmp_path / "toy.safetensors"
    save_file({"a/w": torch.zeros(1), "c/w": torch.zeros(1)}, path, {"tm": header})
    with pytest.raises(WeightsError, match="b missing, c/w unexpected"):
        read_checkpoint(path)


def test_a_part_cannot_have_a_name_that_would_be_lost(tmp_path):
    with pytest.raises(ValueError, match="cannot be called"):
        save_native(tmp_path / "x", Checkpoint("native", {"a/b": {}}))


def test_halved_matrices_come_back_as_float32_and_vectors_lose_nothing(tmp_path):
    part = {"matrix": torch.randn(20, 30), "mean": torch.randn(30), "count": torch.tensor(3)}
    save_native(tmp_path / "toy.safetensors", Checkpoint("native", {"net": part}), half=True)
    found = read_checkpoint(tmp_path / "toy.safetensors").part("net")
    assert found["matrix"].dtype == torch.float32
    assert torch.equal(found["matrix"], part["matrix"].half().float())
    assert torch.equal(found["mean"], part["mean"])
    assert torch.equal(found["count"], part["count"])


@pytest.mark.parametrize("half", [False, True])
def test_what_parts_share_is_stored_once(tmp_path, half):
    shared = torch.randn(100, 100)
    parts = {"one": {"base": shared, "own": torch.randn(80, 80)}, "two": {"base": shared.clone()}}
    path = tmp_path / "toy.safetensors"
    save_native(path, Checkpoint("native", parts), half=half)
    assert path.stat().st_size < (16_400 * 4 // (2 if half else 1)) + 2_000
    found = read_checkpoint(path)
    wanted = shared.half().float() if half else shared
    assert torch.equal(found.part("two")["base"], wanted)
    assert torch.equal(found.part("one")["base"], wanted)
