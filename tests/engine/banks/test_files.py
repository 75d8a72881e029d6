"""Banks survive a round trip, and damaged files give one sentence."""

import pytest
import torch
import torch.nn.functional as F

from engine.banks.bank import sorted_bank
from engine.banks.files import read_bank, read_bank_for, save_bank, save_table
from engine.core.errors import UsageError, WeightsError
from engine.weights.checkpoint import Checkpoint
from engine.weights.native import save_native


@pytest.fixture
def published(tmp_path):
    """The layout of `banks/ffhq_ir50_age_5y.pt`: 7 faces of two bins, the older bin first."""
    rows = F.normalize(torch.randn(7, 8, generator=torch.Generator().manual_seed(0)), dim=1)
    content = {
        "bins": {"23-27": rows[:4], "18-22": rows[4:], "28-32": torch.zeros(0, 8)},
        "ages": {
            "23-27": torch.tensor([26.5, 23.0, 27.2, 24.0]),
            "18-22": torch.tensor([22.9, 18.0, 20.0]),
            "28-32": torch.zeros(0),
        },
        "meta": {"norm": "l2", "embed": "ir_se50", "bin_size": 5, "created": "2025-01-01"},
    }

    def write(change=lambda content: None):
        change(content)
        torch.save(content, tmp_path / "bank.pt")
        return tmp_path / "bank.pt"

    return write


def test_a_bank_survives_a_round_trip(tmp_path, bank):
    save_bank(tmp_path / "b.safetensors", bank)
    read = read_bank(tmp_path / "b.safetensors", embedder="nano-identity")
    assert torch.equal(read.embeddings, bank.embeddings)
    assert torch.equal(read.ages, bank.ages)
    assert (read.sources, read.embedder, read.digest, read.bin_size) == (
        bank.sources,
        bank.embedder,
        bank.digest,
        bank.bin_size,
    )


def test_the_same_bank_is_the_same_file(tmp_path, bank):
    for name in ("a.safetensors", "b.safetensors"):
        save_bank(tmp_path / name, bank)
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()


def test_a_bank_of_another_embedder_is_refused(tmp_path, bank):
    save_bank(tmp_path / "b.safetensors", bank)
    with pytest.raises(WeightsError, match="built by `nano-identity`, not by `ir-se50`"):
        read_bank(tmp_path / "b.safetensors", embedder="ir-se50")


def test_the_published_layout_is_read_with_ages_and_rows_together(published):
    read = read_bank(published(), embedder="ir-se50")
    content = torch.load(published())
    assert read.ages.tolist() == pytest.approx([18, 20, 22.9, 23, 24, 26.5, 27.2])
    assert torch.equal(read.embeddings[0], content["bins"]["18-22"][1])
    assert torch.equal(read.embeddings[-1], content["bins"]["23-27"][2])
    assert {name: len(rows) for name, rows in read.bins().items()} == {"18-22": 3, "23-27": 4}
    assert (read.sources, read.digest, read.embedder) == ((), None, "ir-se50")


def test_a_published_bank_needs_its_embedder(published):
    with pytest.raises(UsageError, match="does not name the network") as caught:
        read_bank(published())
    assert "--embedder" in caught.value.hint


@pytest.mark.parametrize("broken", [float("nan"), float("inf")])
def test_rows_with_nan_are_counted(published, broken):
    def spoil(content):
        content["bins"]["23-27"][1:3, 4] = broken
        content["ages"]["18-22"][0] = broken

    with pytest.raises(WeightsError, match="3 of 7 rows"):
        read_bank(published(spoil), embedder="ir-se50")


def test_rows_with_nan_in_our_own_bank_are_counted(tmp_path, bank):
    bank.embeddings[5] = torch.nan
    save_bank(tmp_path / "b.safetensors", bank)
    with pytest.raises(WeightsError, match="1 of 40 rows"):
        read_bank(tmp_path / "b.safetensors")


def test_rows_that_are_not_of_length_1_are_refused(published):
    with pytest.raises(WeightsError, match="4 of 7 rows .* not of length 1"):
        read_bank(published(lambda content: content["bins"]["23-27"].mul_(2)), embedder="ir-se50")


@pytest.mark.parametrize(
    ("spoil", "fault"),
    [
        (lambda content: content.pop("ages"), "lacks `bins` or `ages`"),
        (lambda content: content["ages"].pop("18-22"), "not of the same bins"),
        (lambda content: content["ages"].update({"18-22": torch.ones(2)}), "bin 18-22 holds"),
        (lambda content: (content["bins"].clear(), content["ages"].clear()), "holds no face"),
    ],
)
def test_a_damaged_published_bank_gives_the_reason(published, spoil, fault):
    with pytest.raises(WeightsError, match=fault):
        read_bank(published(spoil), embedder="ir-se50")


def test_a_file_of_other_tensors_is_refused(tmp_path):
    path = tmp_path / "net.safetensors"
    save_native(path, Checkpoint("native", {"identity": {"a": torch.ones(1)}}))
    with pytest.raises(WeightsError, match="holds other tensors, not `bank`"):
        read_bank(path)


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(WeightsError, match="no weights file at"):
        read_bank(tmp_path / "none.safetensors")


def test_a_bank_names_its_network(tmp_path, bank, identity_net, other, monkeypatch):
    monkeypatch.setattr("engine.weights.find.shipped_weights", dict)
    folder = tmp_path / "weights"
    for name, net in (("nano-identity", identity_net.net), ("mine", other.net)):
        save_native(
            folder / f"{name}.safetensors", Checkpoint("native", {"identity": net.state_dict()})
        )
    bank = sorted_bank(
        bank.embeddings, bank.ages, (), embedder="nano-identity", digest=identity_net.digest
    )
    save_bank(tmp_path / "b.safetensors", bank)
    read, network = read_bank_for(tmp_path / "b.safetensors", None, torch.device("cpu"))
    assert network.digest == identity_net.digest
    assert len(read) == 40
    with pytest.raises(WeightsError, match=other.digest):
        read_bank_for(tmp_path / "b.safetensors", "mine", torch.device("cpu"))


def test_a_bank_of_the_first_layout_is_still_read(tmp_path):
    bank = sorted_bank(
        F.normalize(torch.randn(3, 4), dim=1),
        torch.tensor([20.0, 30.0, 40.0]),
        ("a.png", "b/ü.png", "c.png"),
        embedder="x",
        digest=None,
    )
    save_bank(tmp_path / "new.safetensors", bank)
    facts = {"embedder": "x", "digest": None, "bin_size": 5, "sources": list(bank.sources)}
    tensors = {"embeddings": bank.embeddings, "ages": bank.ages}
    save_table(tmp_path / "old.safetensors", "bank", facts | {"facts": {}}, tensors)
    for name in ("new", "old"):
        read = read_bank(tmp_path / f"{name}.safetensors")
        assert read.sources == bank.sources
        assert torch.equal(read.embeddings, bank.embeddings)
