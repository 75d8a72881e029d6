"""The weights in the package: small, told of, made on this world, and working."""

import pytest
import torch

from engine.config.find import shipped_recipes
from engine.config.load import load_recipe
from engine.evaluators.domain import TrainingDomain
from engine.inference.anchored import anchors_of, transformer_of
from engine.landscapes.inference.render import LandscapeRenderer, LandscapeSample
from engine.metrics.age import spearman
from engine.nets.assemble import time_machine
from engine.nets.loading import frozen
from engine.nets.named import load_age_estimator
from engine.weights.find import find_weights, shipped_weights
from engine.weights.load import read_checkpoint
from engine.weights.native import read_card
from engine.weights.tensors import read_safetensors, tensors_sha256
from engine.worlds.landscapes import VERSION as LANDSCAPES
from engine.worlds.landscapes.reference import REFERENCE_DIGESTS as LANDSCAPE_DIGESTS
from engine.worlds.portraits import VERSION, identity, render, scene
from engine.worlds.portraits.reference import REFERENCE_DIGESTS

SHIPPED = shipped_weights()
TRAINED = [name for name, path in SHIPPED.items() if "recipe_digest" in read_card(path)["card"]]
"""Those that a recipe of ours makes; the others are converted or fitted from portraits."""
MEBIBYTE = 1 << 20


def test_what_the_commands_name_is_there():
    assert {"nano", "nano-identity", "nano-age", "nano-age-evaluator", "nano-landmarks"} <= set(
        SHIPPED
    )
    assert {"landscapes", "landscapes-structure"} <= set(SHIPPED)
    assert {"nano-age-ordinal", "nano-age-tokens", "agetransformer"} <= set(SHIPPED)


def test_all_of_it_is_small():
    sizes = {name: path.stat().st_size for name, path in SHIPPED.items()}
    assert max(sizes.values()) <= 16 * MEBIBYTE
    assert sum(size for name, size in sizes.items() if name.startswith("nano")) <= 40 * MEBIBYTE


@pytest.mark.parametrize("name", TRAINED)
def test_a_card_says_how_its_weights_were_made(name):
    card = read_card(SHIPPED[name])["card"]
    assert {"what", "recipe_digest", "command", "seed", "hardware", "minutes", "metrics"} <= set(
        card
    )
    assert card["portraits"] == {"version": VERSION, "references": list(REFERENCE_DIGESTS)}
    small = {"agetransformer": "agetransformer", "photo": "photo"}
    family = small.get(name, "nano" if name.startswith("nano") else "gan")
    recipe = load_recipe(shipped_recipes()[f"{family}/{card['recipe']}"])
    assert card["what"] == recipe.about
    assert card["seed"] == recipe.seed
    assert "/" not in card["command"].replace(f"{family}/", "")


@pytest.mark.parametrize("name", list(SHIPPED))
def test_the_digest_in_a_card_is_that_of_its_tensors(name):
    tensors = read_safetensors(SHIPPED[name])[1]
    assert read_card(SHIPPED[name])["card"]["tensors_sha256"] == tensors_sha256(tensors)


@pytest.mark.parametrize("name", ["landscapes", "landscapes-structure"])
def test_the_landscapes_were_trained_on_this_world(name):
    card = read_card(SHIPPED[name])["card"]
    assert card["landscapes"] == {"version": LANDSCAPES, "references": list(LANDSCAPE_DIGESTS)}


def test_the_landscapes_follow_valence_and_arousal():
    assert read_card(SHIPPED["landscapes"])["card"]["metrics"]["red_flags"] == 0
    renderer = LandscapeRenderer.of("landscapes", torch.device("cpu"))
    for seed in range(4):
        samples = [LandscapeSample(v, 0.5, seed) for v in (0.1, 0.5, 0.9)]
        low, middle, high = renderer.render(samples)
        assert low.mean() < middle.mean() < high.mean()
        low, high = renderer.render([LandscapeSample(0.5, a, seed) for a in (0.1, 0.9)])
        assert low.std() < high.std()


def test_ten_ages_of_a_face_are_drawn_at_once_and_look_ever_older():
    assert read_card(SHIPPED["agetransformer"])["card"]["metrics"]["in_order"] == 1
    checkpoint = read_checkpoint(find_weights("agetransformer"))
    net, anchors = frozen(transformer_of(checkpoint)), anchors_of(checkpoint)
    shot = render(identity(910_001), 40, scene(910_001_000), 64).picture
    photo = torch.from_numpy(shot).permute(2, 0, 1)[None] / 127.5 - 1
    with torch.inference_mode():
        drawn = net(photo, torch.eye(len(anchors))[None])[0]
        years = load_age_estimator("nano-age-evaluator", torch.device("cpu")).years(drawn)
    assert len(drawn) == 10
    assert spearman(anchors.years, years.numpy()) >= 0.95


def test_the_model_takes_a_portrait_to_other_ages():
    checkpoint = read_checkpoint(find_weights("nano"))
    assert TrainingDomain.of(checkpoint).domain == "portraits"
    model = time_machine(checkpoint)
    shot = render(identity(910_000), 30, scene(910_000_000), 128).picture
    photo = torch.from_numpy(shot).permute(2, 0, 1)[None] / 127.5 - 1
    TrainingDomain.of(checkpoint).require(model, photo)
    with torch.inference_mode():
        again = model.decode(model.invert(photo))
        young, old = model(photo, torch.tensor([10.0, 80.0])).image
    error = (again - photo).square().mean()
    assert 10 * torch.log10(4 / error) > 30
    assert (young - old).abs().mean() > 0.05
