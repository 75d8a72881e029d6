"""`tm relabel --captions`: with a tiny random Janus-Pro, and without any."""

import json
import shutil

import numpy as np
import pytest

from engine.data.captions import read_captions
from engine.images.saving import save_png

ASK = (
    "--aligned", "--experts", "janus", "--set", "domain='photos'", "--set", "captions.max_tokens=6",
)  # fmt: skip


@pytest.fixture
def janus(tiny_janus, tmp_path):
    """The tiny model under the name of the published one."""
    place = tmp_path / "weights" / "janus-pro-1b"
    shutil.copytree(tiny_janus, place)
    return place


@pytest.fixture
def faces(tmp_path):
    draw = np.random.default_rng(0)
    for number in range(3):
        save_png(
            tmp_path / "faces" / f"{number}.png", draw.integers(0, 256, (28, 28, 3), np.uint8), {}
        )
    return tmp_path / "faces"


def test_every_face_is_captioned_by_the_expert_that_estimates_its_age(
    tm, janus, faces, tmp_path, monkeypatch
):
    from engine.experts.kinds.janus import JanusTable

    loads, load = [], JanusTable.load

    def counted(table, device):
        loads.append(table.weights)
        return load(table, device)

    monkeypatch.setattr(JanusTable, "load", counted)
    out, folder = tmp_path / "l.json", tmp_path / "captions"
    result = tm("relabel", faces, "--out", out, "--captions", folder, *ASK, "--json")
    assert result.code == 0, result.err
    assert result.json["captions"] == {
        "folder": str(folder), "captioned": 3, "added": 3, "left_out": {},
    }  # fmt: skip
    assert "3 captions" in result.err
    assert loads == ["janus-pro-1b"]
    assert set(json.loads(out.read_text())["labels"]["0"]["experts"]) == {"janus"}
    cache = read_captions(folder)
    assert [one.image_id for one in cache.captions] == ["0", "1", "2"]
    assert (cache.maker.model_id, cache.maker.d) == ("janus-pro-1b", 32)
    assert cache.image.isfinite().all()
    before = [(folder / name).read_bytes() for name in ("index.jsonl", "embeddings.safetensors")]
    result = tm("relabel", faces, "--out", out, "--captions", folder, *ASK, "--json")
    assert result.json["captions"]["added"] == 0
    after = [(folder / name).read_bytes() for name in ("index.jsonl", "embeddings.safetensors")]
    assert after == before
    result = tm(
        *("relabel", faces, "--out", tmp_path / "n.json", "--captions", folder, *ASK),
        *("--set", "captions.question='what is worn?'"),
    )
    assert result.code == 2
    assert "holds captions by another model: prompt_id" in result.err
    assert not (tmp_path / "n.json").exists()


def test_without_janus_it_ends_with_4_and_names_the_weights_before_any_work(tm, faces, tmp_path):
    out = tmp_path / "l.json"
    result = tm("relabel", faces, "--aligned", "--out", out, "--captions", tmp_path / "captions")
    assert result.code == 4
    assert "`janus-pro-1b`" in result.err
    assert "hint:" in result.err
    assert "Janus-Pro-1B" in result.err
    assert not out.exists()
    assert not (tmp_path / "captions").exists()


def test_a_dry_run_lists_captioner_and_files_and_writes_nothing(tm, faces, tmp_path):
    argv = ("relabel", faces, "--out", tmp_path / "l.json", "--captions", tmp_path / "captions")
    result = tm(*argv, "--dry-run", "--json")
    assert result.code == 4, "the real run would fail"
    assert result.json["code"] == 4
    assert result.json["captions"]["name"] == "janus"
    assert not result.json["captions"]["here"]
    assert str(tmp_path / "captions" / "index.jsonl") in result.json["files"]
    assert "captions by janus: absent" in result.err
    assert not (tmp_path / "captions").exists()
    assert tm(*argv[:-2], "--dry-run", "--json").json["captions"] is None


def test_a_wrong_request_ends_with_2(tm, faces, tmp_path):
    argv = ("relabel", faces, "--aligned", "--out", tmp_path / "l.json", "--captions")
    (tmp_path / "file").write_text("")
    result = tm(*argv, tmp_path / "file")
    assert result.code == 2
    assert "is a file, and the captions are a folder" in result.err
    result = tm(*argv, tmp_path / "c", "--set", 'expert=[{kind="nano-age"}]')
    assert result.code == 2
    assert "has no expert that writes captions" in result.err
