"""`tm bank`: build, describe and search banks; anchors."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from engine.banks.anchors import AgeAnchors
from engine.images.saving import save_png
from engine.nets.encoders.gradual import EncoderSpec, GradualStyleEncoder
from engine.nets.nano.identity import IdentitySpec, NanoIdentity
from engine.nets.stylegan2.generator import Generator
from engine.nets.stylegan2.spec import GeneratorSpec
from engine.weights.checkpoint import Checkpoint
from engine.weights.native import save_native

AGES = (40, 21, 22, 23, 19, 60)


@pytest.fixture
def embedder(tmp_path, monkeypatch):
    """A tiny nano identity network in the weights folder, in place of the one that ships."""
    monkeypatch.setattr("engine.weights.find.shipped_weights", dict)
    torch.manual_seed(0)
    net = NanoIdentity(IdentitySpec(size=16, embedding=8, widths=(4, 6)))
    path = tmp_path / "weights" / "nano-identity.safetensors"
    save_native(path, Checkpoint("native", {"identity": net.state_dict()}))
    return net


@pytest.fixture
def faces(tmp_path):
    draw = np.random.default_rng(0)
    for index, age in enumerate(AGES):
        pixels = draw.integers(0, 256, (32, 32, 3), dtype=np.uint8)
        save_png(tmp_path / "faces" / f"{age}_{index}.png", pixels, {})
    return tmp_path / "faces"


@pytest.fixture
def bank(tm, faces, embedder, tmp_path):
    assert tm("bank", "build", faces, tmp_path / "bank.safetensors", "-q").code == 0
    return tmp_path / "bank.safetensors"


@pytest.fixture
def published(tmp_path):
    rows = torch.nn.functional.normalize(torch.randn(3, 8), dim=1)
    bins = {"bins": {"18-22": rows}, "ages": {"18-22": torch.tensor([18.0, 19.0, 20.0])}}
    torch.save({**bins, "meta": {"bin_size": 5}}, tmp_path / "bank.pt")
    return tmp_path / "bank.pt"


def test_build_reports_every_picture(tm, faces, embedder, tmp_path):
    (faces / "30_9.png").write_bytes(b"no picture")
    result = tm("bank", "build", faces, tmp_path / "bank.safetensors")
    assert result.code == 0
    assert result.out == ""
    assert "6 faces in `" in result.err
    assert "1 left out: is a text file, not a picture" in result.err
    again = tm("bank", "build", faces, tmp_path / "bank.safetensors", "--json")
    assert again.json["faces"] == again.json["kept"] == 6
    assert again.json["bins"] == {"18-22": 3, "23-27": 1, "38-42": 1, "58-62": 1}
    assert again.json["embedder"] == "nano-identity"


def test_build_strict(tm, faces, embedder, tmp_path):
    (faces / "30_9.png").write_bytes(b"no picture")
    assert tm("bank", "build", faces, tmp_path / "b.safetensors", "--strict").code == 3
    assert (tmp_path / "b.safetensors").exists()


def test_build_warns_of_ages_without_a_face_and_of_the_wrong_embedder(
    tm, faces, embedder, tmp_path, monkeypatch
):
    monkeypatch.setattr("engine.app.bank.domain_of", lambda *descriptors: "photos")
    result = tm("bank", "build", faces, tmp_path / "bank.safetensors")
    assert "nobody in the bank is 28-37 or 43-57 years old" in result.err
    assert "these are photographs, and `nano-identity` was made for others" in result.err
    assert "`mytm/stage1`" in result.err
    assert "`--embedder ir-se50`" in result.err
    monkeypatch.setattr("engine.app.bank.domain_of", lambda *descriptors: "portraits")
    warnings = tm("bank", "build", faces, tmp_path / "bank.safetensors", "--json").json["warnings"]
    assert not any("photographs" in text for text in warnings)


def test_build_with_bins_and_ages(tm, faces, embedder, tmp_path):
    (tmp_path / "ages.csv").write_text("path,age\n40_0.png,18.5\n", encoding="utf-8")
    out = tmp_path / "b.safetensors"
    result = tm("bank", "build", faces, out, "--bin", 10, "--ages", tmp_path / "ages.csv", "--json")
    assert result.json["bins"] == {"18-27": 5, "58-67": 1}


def test_build_dry_run(tm, faces, tmp_path):
    result = tm("bank", "build", faces, tmp_path / "bank.safetensors", "--dry-run", "--json")
    assert result.json == {"dry_run": True, "pictures": 6, "without_age": 0}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["faces"]


def test_build_without_weights_is_exit_4(tm, faces, tmp_path):
    result = tm("bank", "build", faces, tmp_path / "b.safetensors", "--embedder", "ir-se50")
    assert result.code == 4
    assert "the weights `ir-se50` are not in" in result.err


def test_info_lists_faces_by_age(tm, bank):
    result = tm("bank", "info", bank)
    assert result.code == 0
    assert result.out.splitlines()[1].split() == ["18-22", "3"]
    assert "6 faces, embedded by `nano-identity` (" in result.err
    as_json = tm("bank", "info", bank, "--json").json
    assert (as_json["faces"], as_json["width"], as_json["oldest"]) == (6, 8, 60)


def test_a_published_bank_needs_its_embedder(tm, published):
    result = tm("bank", "info", published)
    assert result.code == 2
    assert "hint: name it with `--embedder`" in result.err
    named = tm("bank", "info", published, "--embedder", "ir-se50", "--json").json
    assert (named["faces"], named["digest"], named["sources"]) == (3, None, False)


def test_search_finds_a_face_of_the_bank_and_draws_it(tm, bank, faces, tmp_path):
    out = tmp_path / "strip.png"
    result = tm("bank", "search", bank, faces / "22_2.png", "-k", 3, "--aligned", "--out", out)
    assert result.code == 0
    first = result.out.splitlines()[1].split()
    assert first == ["1.0000", "22", "faces/22_2.png"]
    with Image.open(out) as strip:
        assert strip.width > 4 * 160
        assert strip.width < 5 * 180
        pixels = np.asarray(strip)
    step = 160 + 10
    query, match = (pixels[10:170, 10 + place * step : 170 + place * step] for place in (0, 1))
    assert np.array_equal(query, match)


@pytest.mark.parametrize("engine", ["torch", "faiss"])
def test_search_keeps_to_a_window_of_ages(tm, bank, faces, tmp_path, engine):
    result = tm(
        *("bank", "search", bank, faces / "22_2.png", "--aligned", "--json"),
        *("--ages", "19..21", "--engine", engine, "--out", tmp_path / "s.png"),
    )
    assert sorted(row["age"] for row in result.json["nearest"]) == [19, 21]


def test_search_leaves_nothing_that_was_not_asked_for(tm, bank, faces, tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert tm("bank", "search", bank, faces / "22_2.png", "--aligned").code == 0
    assert not list(Path.cwd().iterdir())


def test_search_reports_missing_pictures(tm, bank, faces, tmp_path):
    (faces / "60_5.png").unlink()
    out = tmp_path / "s.png"
    result = tm("bank", "search", bank, faces / "22_2.png", "--aligned", "--out", out)
    assert result.code == 0
    assert "1 of 6 pictures are missing" in result.err


def test_search_dry_run(tm, bank, faces, tmp_path):
    out = tmp_path / "s.png"
    argv = ("bank", "search", bank, faces / "22_2.png", "--aligned", "--out", out, "--dry-run")
    assert "would draw them" in tm(*argv).err
    assert tm(*argv, "--json").json["strip"] is None
    assert not out.exists()


def test_search_of_a_published_bank_needs_and_takes_an_embedder(
    tm, published, faces, embedder, tmp_path
):
    argv = ("bank", "search", published, faces / "22_2.png", "--aligned")
    assert tm(*argv).code == 2
    out = tmp_path / "s.png"
    result = tm(*argv, "--embedder", "nano-identity", "--json", "--out", out)
    assert len(result.json["nearest"]) == result.json["absent"] == 3


def test_search_with_another_network_is_refused(tm, bank, faces, tmp_path):
    torch.manual_seed(1)
    net = NanoIdentity(IdentitySpec(size=16, embedding=8, widths=(4, 6)))
    other = tmp_path / "other.safetensors"
    save_native(other, Checkpoint("native", {"identity": net.state_dict()}))
    result = tm("bank", "search", bank, faces / "22_2.png", "--aligned", "--embedder", other)
    assert result.code == 4
    assert "the bank was built by `nano-identity`" in result.err


def test_search_needs_a_face(tm, bank, faces):
    result = tm("bank", "search", bank, faces / "22_2.png")
    assert result.code == 3
    assert "no face found" in result.err
    assert "--aligned" in result.err


def test_anchors_of_embeddings_are_written_by_year(tm, faces, embedder, tmp_path):
    out = tmp_path / "prototypes.safetensors"
    argv = ("bank", "anchors", faces, out, "--embedder", "nano-identity")
    dry = tm(*argv, "--dry-run", "--json").json
    assert dry == {"dry_run": True, "kind": "prototypes", "photos": 6, "with_age": 6}
    assert not out.exists()
    result = tm(*argv, "--json")
    assert result.json["ages"] == sorted(AGES)
    assert "6 prototypes of 6 photos" in result.err


def test_anchors_of_codes_are_written_by_bins_of_age(tm, faces, tmp_path):
    shape = {"n_styles": 8, "size": 64, "style_width": 10, "widths": (4, 8, 12, 16)}
    psp, sam = (
        GradualStyleEncoder(EncoderSpec(planes=planes, depths=(1, 1, 1, 1), **shape)).state_dict()
        for planes in (3, 4)
    )
    decoder = Generator(GeneratorSpec(32, (12, 10, 8, 6), 10, mapping_layers=1)).state_dict()
    parts = {"pretrained_encoder": psp, "encoder": sam, "decoder": decoder}
    average = torch.randn(8, 10)
    model = tmp_path / "model.safetensors"
    save_native(model, Checkpoint("native", parts, average, facts={"encoder_size": 64}))
    out = tmp_path / "anchors.safetensors"
    result = tm("bank", "anchors", faces, out, "--from", model, "--bin", 10, "--json")
    assert result.code == 0
    assert (result.json["kind"], result.json["used"]) == ("age anchors", 6)
    assert result.json["ages"] == [19, 22, 40, 60]
    anchors = AgeAnchors.read(out)
    anchors.require_frame(average)
    assert anchors.codes.shape == (4, 8, 10)


@pytest.mark.parametrize("more", [(), ("--from", "sam", "--embedder", "nano-identity")], ids=str)
def test_anchors_are_of_one_kind(tm, faces, tmp_path, more):
    result = tm("bank", "anchors", faces, tmp_path / "a.safetensors", *more)
    assert result.code == 2
    assert "choose one" in result.err


def test_anchors_of_codes_need_the_model(tm, faces, tmp_path):
    result = tm("bank", "anchors", faces, tmp_path / "a.safetensors", "--from", "sam")
    assert result.code == 4
    assert "the weights `sam` are not in" in result.err


def test_every_verb_prints_one_object(tm, bank, faces, tmp_path):
    for argv in (
        ("build", faces, bank),
        ("info", bank),
        ("search", bank, faces / "22_2.png", "--aligned", "--out", tmp_path / "s.png"),
        ("anchors", faces, tmp_path / "a.safetensors", "--embedder", "nano-identity"),
    ):
        assert isinstance(json.loads(tm("bank", *argv, "--json").out), dict)
