import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.core.errors import WeightsError
from engine.photo.model import (
    PARTS,
    SHAPES,
    age_terms,
    load_photo_model,
    photo_checkpoint,
    save_photo_model,
)
from engine.photo.refiner import RefinerNet
from engine.weights.checkpoint import Checkpoint
from engine.weights.native import read_card, save_native
from engine.weights.tensors import write_safetensors


def damaged(path: Path, model, **arrays):
    """Write the model with some arrays replaced, unchecked, as a hostile file would have them."""
    state = {name: torch.from_numpy(np.array(getattr(model, name))) for name in SHAPES}
    state |= {name: torch.as_tensor(value) for name, value in arrays.items()}
    facts = {"frame": [256, 320], "knots": [30.0, 80.0], "centre": 57.0, "spread": 15.0}
    save_native(path, Checkpoint(kind="photo", parts={"photo": state}, facts=facts))
    return path


def test_a_file_gives_the_model_back(tmp_path, model):
    path = tmp_path / "photo.safetensors"
    save_photo_model(path, model, {"people": 3})
    again = load_photo_model(path)
    assert read_card(path)["card"] == {"people": 3}
    assert path.stat().st_size < 4 << 20
    for name in SHAPES:
        assert getattr(again, name) == pytest.approx(getattr(model, name), rel=2e-3, abs=2e-3)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("hair", np.full((6, 3), np.nan, np.float32), "numbers that no photo model has"),
        ("hair", np.zeros((5, 3), np.float32), "not \\(6, 3\\)"),
        ("gain", np.full(SHAPES["gain"], -1, np.float32), "out of bounds"),
        ("gain", np.full(SHAPES["gain"], 1e9, np.float32), "numbers that no photo model has"),
        ("gain", np.float32([1, 1]), "not \\(2, 6, 2\\)"),
        ("mean_points", np.full((73, 2), 500.0, np.float32), "out of bounds"),
        ("colour", np.zeros(SHAPES["colour"], np.int32), "`colour` in"),
        ("detail", np.full(SHAPES["detail"], 1e4, np.float32), "numbers"),
    ],
)
def test_hostile_arrays_are_refused(tmp_path, model, name, value, message):
    path = damaged(tmp_path / "bad.safetensors", model, **{name: value})
    with pytest.raises(WeightsError, match=message):
        load_photo_model(path)


def test_missing_and_additional_arrays_are_refused(tmp_path, model):
    path = damaged(tmp_path / "more.safetensors", model, patches=np.zeros(3, np.float32))
    with pytest.raises(WeightsError, match="patches"):
        load_photo_model(path)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("last.weight", torch.full((1, 12, 3, 3), float("nan")), "numbers that no refiner has"),
        ("last.weight", torch.full((1, 12, 3, 3), 1e9), "numbers that no refiner has"),
        ("last.weight", torch.zeros(1, 12, 5, 5), "not \\(1, 12, 3, 3\\)"),
        ("last.weight", torch.zeros(1, 12, 3, 3, dtype=torch.int32), "`last.weight` in"),
        ("more", torch.zeros(3), "lacks or adds arrays of a refiner"),
    ],
)
def test_hostile_refiners_are_refused(tmp_path, model, name, value, message):
    path = tmp_path / "bad.safetensors"
    whole = photo_checkpoint(dataclasses.replace(model, refiner=RefinerNet()), {})
    parts = {"photo": whole.parts["photo"], "refiner": {**whole.parts["refiner"], name: value}}
    save_native(path, dataclasses.replace(whole, parts=parts))
    with pytest.raises(WeightsError, match=message):
        load_photo_model(path)


def test_a_file_gives_the_refiner_back(tmp_path, model):
    path, net = tmp_path / "photo.safetensors", RefinerNet()
    torch.nn.init.constant_(net.last.weight, 0.25)
    save_photo_model(path, dataclasses.replace(model, refiner=net), {})
    again = load_photo_model(path).refiner
    assert again is not None
    assert all(
        torch.allclose(a, b, rtol=1e-3, atol=1e-4)
        for a, b in zip(again.state_dict().values(), net.state_dict().values(), strict=True)
    )


def test_other_files_are_refused(tmp_path):
    with pytest.raises(WeightsError, match="there is no photo model"):
        load_photo_model(tmp_path / "none.safetensors")
    text = tmp_path / "text.safetensors"
    text.write_text("not weights at all", encoding="utf-8")
    with pytest.raises(WeightsError, match="damaged"):
        load_photo_model(text)
    foreign = tmp_path / "foreign.safetensors"
    write_safetensors(foreign, {"hair": torch.zeros(6, 3)}, {})
    with pytest.raises(WeightsError, match="holds no photo model"):
        load_photo_model(foreign)
    huge = tmp_path / "huge.safetensors"
    huge.write_bytes(b"\0" * (5 << 20))
    with pytest.raises(WeightsError, match="larger than any"):
        load_photo_model(huge)


def test_another_frame_is_refused(tmp_path, model):
    path = tmp_path / "frame.safetensors"
    state = {name: torch.zeros(shape) for name, shape in SHAPES.items()}
    save_native(path, Checkpoint(kind="photo", parts={"photo": state}, facts={"frame": [9, 9]}))
    with pytest.raises(WeightsError, match="another frame"):
        load_photo_model(path)


def test_beyond_the_knots_age_goes_on_straight():
    terms = np.stack([age_terms(age, 0.5) for age in (80, 85, 90, 95)])
    steps = np.diff(terms, axis=0)
    assert steps[1:] == pytest.approx(np.repeat(steps[:1], 2, axis=0))
    inner = np.diff(np.stack([age_terms(age, 0.5) for age in (50, 55, 60)]), axis=0)
    assert inner[0] != pytest.approx(inner[1])


def test_hair_never_darkens_with_age(model):
    dyed = dataclasses.replace(model, hair=model.hair * np.float32([[1], [-1], [0], [0], [0], [0]]))
    light = [dyed.hair_at(age, 0.0)[0] for age in range(25, 90, 5)]
    assert np.diff(light).min() >= 0
    assert model.hair_at(80, 0.0)[0] > model.hair_at(40, 0.0)[0] + 10


def test_gains_are_those_of_a_direction_part_and_appearance(model):
    gain = np.arange(24, dtype=np.float32).reshape(SHAPES["gain"]) / 4
    model = dataclasses.replace(model, gain=gain)
    assert model.gains(True, -1.0) == dict(zip(PARTS, gain[0, :, 0].tolist(), strict=True))
    assert model.gains(False, 1.0)["lines"] == pytest.approx(gain[1, 5, 1])
    assert model.gains(False, 0.0)["hair"] == pytest.approx(gain[1, 3].mean())


def test_no_years_no_difference(model):
    for name in ("shape", "colour", "detail", "hair"):
        assert not model.difference(name, 52.0, 52.0, 0.3).any()
        assert model.difference(name, 40.0, 70.0, 0.3).any()
