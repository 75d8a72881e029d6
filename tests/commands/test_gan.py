"""`tm gan` as a user meets it, with a tiny generator that has learned nothing."""

import json

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


def test_a_mood_is_painted_with_its_truth_in_the_picture_and_beside(gan):
    told = gan("--va", "0.8,0.3", "--out", "calm.png", "--json")
    assert told.code == 0
    assert pixels("calm.png").shape == (16, 16, 3)
    says = provenance_of("calm.png")
    assert (says["made"], says["synthetic"], says["scale"]) == ("painted", True, "div9")
    assert says["landscapes"] == [{"file": "calm.png", "valence": 0.8, "arousal": 0.3, "seed": 0}]
    assert len(says["sha256"]) == 64
    with open("calm.json", encoding="utf-8") as beside:
        assert json.load(beside)["landscapes"] == says["landscapes"]
    assert told.json["landscapes"] == says["landscapes"]


def test_the_same_seed_is_the_same_picture_whatever_stands_beside(gan):
    gan("--va", "0.5,0.5", "-n", "3", "--seed", "7", "--out", "many.png")
    gan("--va", "0.5,0.5", "--seed", "8", "--out", "one.png")
    assert np.array_equal(pixels("many_1.png"), pixels("one.png"))
    assert not np.array_equal(pixels("many_0.png"), pixels("many_1.png"))


def test_mood_and_size_reach_the_picture(gan):
    gan("--va", "0.1,0.5", "--out", "sad.png")
    gan("--va", "0.9,0.5", "--out", "glad.png")
    gan("--va", "0.9,0.5", "--out", "large.png", "--size", "40")
    assert not np.array_equal(pixels("sad.png"), pixels("glad.png"))
    assert pixels("large.png").shape == (40, 40, 3)


def test_truncation_draws_all_seeds_to_the_middle(gan):
    for seed in (1, 2):
        gan("--va", "0.5,0.5", "--truncation", "0", "--seed", seed, "--out", f"{seed}.png")
    assert np.array_equal(pixels("1.png"), pixels("2.png"))


def test_a_grid_is_one_landscape_with_valence_upwards_and_arousal_to_the_right(gan):
    told = gan("--grid", "3", "--out", "plane.png", "--json").json
    assert pixels("plane.png").shape == (48, 48, 3)
    assert {one["seed"] for one in told["landscapes"]} == {0}
    assert (told["landscapes"][0]["valence"], told["landscapes"][2]["arousal"]) == (1, 1)
    gan("--va", "1,0", "--out", "corner.png")
    assert np.array_equal(pixels("plane.png")[:16, :16], pixels("corner.png"))


def test_a_sweep_has_a_row_for_each_landscape(gan):
    told = gan("--sweep", "a", "--va", "0.2,0.9", "-n", "2", "--out", "rise.png", "--json").json
    assert pixels("rise.png").shape == (32, 7 * 16, 3)
    first = told["landscapes"][:7]
    assert {one["valence"] for one in first} == {0.2}
    assert [one["arousal"] for one in first] == pytest.approx(np.linspace(0, 1, 7))


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (("--va", "0.8"), "is not `valence,arousal`"),
        (("--va", "0.8,0.3,0.1"), "is not `valence,arousal`"),
        (("--va", "glad,calm"), "is not `valence,arousal`"),
        (("--va", "1.2,0.3"), "the valence 1.2 is outside 0..1"),
        (("--va", "0.2,-0.1"), "the arousal -0.1 is outside 0..1"),
        (("--va", "nan,0.5"), "0..1"),
        ((), "which mood?"),
        (("--grid", "5", "--va", "0.5,0.5"), "a grid shows one landscape"),
        (("--grid", "1"), "1 steps are not between"),
        (("--va", "0.5,0.5", "-n", "0"), "0 landscapes are not between"),
        (("--va", "0.5,0.5", "--truncation", "1.5"), "outside 0..1"),
        (("--va", "0.5,0.5", "--size", "4"), "the size 4 is outside"),
        (("--va", "0.5,0.5", "--out", "calm.jpg"), "is no PNG"),
    ],
)
def test_what_cannot_be_painted_ends_with_one_sentence_and_a_two(gan, words, fault, tmp_path):
    told = gan(*words)
    assert told.code == 2
    assert fault in " ".join(told.err.split())
    assert "Traceback" not in told.err
    assert not list((tmp_path / "here").iterdir())


def test_a_dry_run_touches_nothing(gan, tmp_path):
    told = gan("--va", "0.5,0.5", "-n", "2", "--dry-run", "--json")
    assert told.json == {
        "dry_run": True, "landscapes": 2, "files": ["landscape_0.png", "landscape_1.png"],
    }  # fmt: skip
    assert not list((tmp_path / "here").iterdir())


def test_weights_that_are_no_generator_are_refused(tm, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    told = tm("gan", "--va", "0.5,0.5", "--weights", "nano-identity")
    assert told.code == 4
    assert "has no `generator`" in " ".join(told.err.split())
