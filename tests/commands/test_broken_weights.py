"""Networks that give black pictures: refused when read, or their pictures when made."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from engine.weights.find import shipped_weights
from engine.weights.native import read_native, save_native


def poisoned(name, path, change):
    """A copy of shipped weights whose last tensors are changed."""
    checkpoint = read_native(shipped_weights()[name])
    parts = {part: {k: t.clone() for k, t in s.items()} for part, s in checkpoint.parts.items()}
    for state in parts.values():
        change(state)
    save_native(path, replace(checkpoint, parts=parts))
    return path


def nan(state):
    next(t for t in state.values() if t.is_floating_point() and t.numel())[0] = float("nan")


def black(state):
    for tensor in list(state.values())[-2:]:
        tensor.copy_(torch.full_like(tensor, -1e4))


@pytest.fixture
def photo(tmp_path):
    ramp = np.linspace(0, 255, 64 * 64 * 3).reshape(64, 64, 3).astype(np.uint8)
    (tmp_path / "in").mkdir()
    Image.fromarray(ramp).save(tmp_path / "in" / "a.png")
    return tmp_path / "in"


@pytest.mark.parametrize(("change", "code", "words"), [(nan, 4, "not finite"), (black, 3, None)])
def test_a_broken_enlarger_delivers_nothing(tm, photo, tmp_path, change, code, words):
    weights = poisoned("nano-x2", tmp_path / "x2.safetensors", change)
    out = tmp_path / "out"
    result = tm("enhance", photo, out, "--steps", "esrgan", "--no-guard", "--workers", "1",
                "--set", f"steps.0={{kind='esrgan', weights='{weights}'}}",
                "--set", "force=true")  # fmt: skip
    assert result.code == code, result.err
    assert not list(out.rglob("*.png"))
    if words is not None:
        assert words in result.err
        return
    (row,) = [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()]
    assert row["status"] == "failed"
    assert "network gave" in row["reason"] or "another picture" in row["reason"]


def test_a_broken_generator_delivers_nothing(tm, photo, tmp_path):
    weights = poisoned("nano", tmp_path / "nano.safetensors", nan)
    result = tm("infer", photo, "--aligned", "--force", "--ages", "40", "--out", tmp_path / "out",
                "--weights", weights)  # fmt: skip
    assert (result.code, list((tmp_path / "out").rglob("*.png"))) == (4, [])
    assert "not finite" in result.err


def test_a_broken_landscape_generator_delivers_nothing(tm, tmp_path):
    weights = poisoned("landscapes", tmp_path / "l.safetensors", nan)
    result = tm("gan", "--va", "0.5,0.5", "--weights", weights, "--out", tmp_path / "l.png")
    assert (result.code, (tmp_path / "l.png").exists()) == (4, False)
