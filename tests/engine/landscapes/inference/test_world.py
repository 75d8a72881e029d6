"""Weights of another version of the landscape world are told apart, and refused as evaluators."""

import pytest
import torch

from engine.core.errors import WeightsError
from engine.landscapes.inference.render import LandscapeRenderer
from engine.landscapes.inference.world import require_this_world, world_of
from engine.landscapes.nets.evaluator import VaEvaluator, VaEvaluatorSpec
from engine.landscapes.nets.generator import GeneratorSpec, LandscapeGenerator
from engine.landscapes.trainings.evaluators import load_structure_evaluator, load_va_evaluator
from engine.weights.checkpoint import Checkpoint
from engine.weights.native import save_native
from engine.worlds.landscapes import VERSION

OLD = {"landscapes": {"version": "0"}}


def weights(folder, part, net, *, card, scale="0..1"):
    path = folder / "old.safetensors"
    facts = {"task": part, "scale": scale}
    save_native(path, Checkpoint("native", {part: net.state_dict()}, facts=facts, card=card))
    return str(path)


@pytest.mark.parametrize(
    ("scale", "card", "world"),
    [
        ("0..1", {"landscapes": {"version": VERSION}}, VERSION),
        ("0..1", OLD, "0"),
        ("div9", OLD, None),
        ("0..1", {}, None),
    ],
)
def test_the_world_of_weights_is_that_of_their_card_unless_they_learned_from_photos(
    scale, card, world
):
    checkpoint = Checkpoint("native", {}, facts={"scale": scale}, card=card)
    assert world_of(checkpoint) == world
    if world == "0":
        with pytest.raises(WeightsError, match="version 0 of the landscape world"):
            require_this_world(checkpoint, "old")
    else:
        require_this_world(checkpoint, "new")


def test_an_evaluator_of_another_world_is_refused_but_for_photos(tmp_path):
    path = weights(tmp_path, "va_evaluator", VaEvaluator(VaEvaluatorSpec(16, (6, 8))), card=OLD)
    with pytest.raises(WeightsError, match="version 0 of the landscape world"):
        load_va_evaluator(path, drawn=True)
    assert load_va_evaluator(path, drawn=False).spec.size == 16
    with pytest.raises(WeightsError, match="version 0 of the landscape world"):
        load_structure_evaluator(path)


def test_a_generator_of_another_world_renders_and_says_which(tmp_path):
    net = LandscapeGenerator(GeneratorSpec(6, (16, 12, 8), hidden=5))
    path = weights(tmp_path, "generator", net, card=OLD)
    assert LandscapeRenderer.of(path, torch.device("cpu")).weights["world"] == "landscapes 0"
