"""`tm gan` as a user meets it, with a tiny untrained generator."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from engine.images.saving import provenance_of
from engine.landscapes.nets.generator import GeneratorSpec, LandscapeGenerator
from engine.weights.checkpoint import Checkpoint
from engine.weights.native import save_native


@pytest.fixture
def gan(tm, tmp_path, monkeypatch):
    """Run `tm gan` in an empty folder, with weights."""
    torch.manual_seed(0)
    net = LandscapeGenerator(GeneratorSpec(6, (16, 12, 8), hidden=5))
    facts = {"task": "landscape", "scale": "div9"}
    path = tmp_path / "weights.safetensors"
    save_native(path, Checkpoint("native", {"generator": net.state_dict()}, facts=facts))
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return lambda *words: tm("gan", *words, "--weights", path)


def pixels(path):
    return np.asarray(Image.open(path))


def test_a_landscape_has_its_provenance_in_the_png_and_beside(gan):
    result = gan("--va", "0.8,0.3", "--out", "lake.png", "--json")
    assert result.code == 0
    assert pixels("lake.png").shape == (16, 16, 3)
    provenance = provenance_of("lake.png")
    assert (provenance["made"], provenance["synthetic"], provenance["scale"]) == (
        "generated",
        True,
        "div9",
    )
    assert provenance["landscapes"] == [
        {"file": "lake.png", "valence": 0.8, "arousal": 0.3, "seed": 0}
    ]
    assert len(provenance["sha256"]) == 64
    with open("lake.json", encoding="utf-8") as beside:
        assert json.load(beside)["landscapes"] == provenance["landscapes"]
    assert result.json["landscapes"] == provenance["landscapes"]


def test_the_same_seed_is_the_same_picture_whatever_stands_beside(gan):
    gan("--va", "0.5,0.5", "-n", "3", "--seed", "7", "--out", "many.png")
    gan("--va", "0.5,0.5", "--seed", "8", "--out", "one.png")
    assert np.array_equal(pixels("many_1.png"), pixels("one.png"))
    assert not np.array_equal(pixels("many_0.png"), pixels("many_1.png"))


def test_valence_arousal_and_size_change_the_picture(gan):
    gan("--va", "0.1,0.5", "--out", "low.png")
    gan("--va", "0.9,0.5", "--out", "high.png")
    gan("--va", "0.9,0.5", "--out", "large.png", "--size", "40")
    assert not np.array_equal(pixels("low.png"), pixels("high.png"))
    assert pixels("large.png").shape == (40, 40, 3)
    gan("--va", "8.1,4.5", "--scale", "9", "--out", "rated.png")
    assert np.array_equal(pixels("high.png"), pixels("rated.png"))


def test_truncation_zero_gives_the_mean_latent_for_all_seeds(gan):
    for seed in (1, 2):
        gan("--va", "0.5,0.5", "--truncation", "0", "--seed", seed, "--out", f"{seed}.png")
    assert np.array_equal(pixels("1.png"), pixels("2.png"))


def test_a_grid_is_one_landscape_with_valence_upwards_and_arousal_to_the_right(gan):
    result = gan("--grid", "3", "--out", "plane.png", "--json").json
    assert pixels("plane.png").shape == (48, 48, 3)
    assert {one["seed"] for one in result["landscapes"]} == {0}
    assert (result["landscapes"][0]["valence"], result["landscapes"][2]["arousal"]) == (1, 1)
    gan("--va", "1,0", "--out", "corner.png")
    assert np.array_equal(pixels("plane.png")[:16, :16], pixels("corner.png"))


def test_a_sweep_has_a_row_for_each_landscape(gan):
    result = gan("--sweep", "a", "--va", "0.2,0.9", "-n", "2", "--out", "rise.png", "--json").json
    assert pixels("rise.png").shape == (32, 7 * 16, 3)
    first = result["landscapes"][:7]
    assert {one["valence"] for one in first} == {0.2}
    assert [one["arousal"] for one in first] == pytest.approx(np.linspace(0, 1, 7))


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (("--va", "0.8"), "is not `valence,arousal`"),
        (("--va", "0.8,0.3,0.1"), "is not `valence,arousal`"),
        (("--va", "high,low"), "is not `valence,arousal`"),
        (("--va", "1.2,0.3"), "the valence 1.2 is outside 0..1"),
        (("--va", "8,3"), "`--scale 9`"),
        (("--va", "9.5,3", "--scale", "9"), "the valence 9.5 is outside 0..9"),
        (("--va", "0.5,0.5", "--scale", "0"), "the scale 0 is outside"),
        (("--va", "0.2,-0.1"), "the arousal -0.1 is outside 0..1"),
        (("--va", "nan,0.5"), "0..1"),
        ((), "no valence and arousal given"),
        (("--grid", "5", "--va", "0.5,0.5"), "a grid shows one landscape"),
        (("--grid", "1"), "1 steps are not between"),
        (("--va", "0.5,0.5", "-n", "0"), "0 landscapes are not between"),
        (("--va", "0.5,0.5", "--truncation", "1.5"), "outside 0..1"),
        (("--va", "0.5,0.5", "--size", "4"), "the size 4 is outside"),
        (("--va", "0.5,0.5", "--out", "lake.jpg"), "is not a PNG file"),
    ],
)
def test_invalid_arguments_are_usage_errors(gan, words, fault, tmp_path):
    result = gan(*words)
    assert result.code == 2
    assert fault in " ".join(result.err.split())
    assert "Traceback" not in result.err
    assert not list((tmp_path / "here").iterdir())


def test_a_dry_run_touches_nothing(gan, tmp_path):
    result = gan("--va", "0.5,0.5", "-n", "2", "--dry-run", "--json")
    assert result.json == {
        "dry_run": True, "landscapes": 2, "files": ["landscape_0.png", "landscape_1.png"],
    }  # fmt: skip
    assert not list((tmp_path / "here").iterdir())


def test_a_blank_picture_is_not_delivered(gan, monkeypatch):
    def blank(values):
        return np.zeros((*values.shape[-2:], 3), np.uint8)

    monkeypatch.setattr("engine.landscapes.inference.render.to_pixels", blank)
    result = gan("--va", "0.5,0.5", "--out", "lake.png")
    assert (result.code, "a blank picture" in result.err) == (4, True)
    assert not Path("lake.png").exists()


def test_weights_without_a_generator_are_refused(tm, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = tm("gan", "--va", "0.5,0.5", "--weights", "nano-identity")
    assert result.code == 4
    assert "has no `generator`" in " ".join(result.err.split())
