"""Recipes of identity, age and landmark networks: disjoint people, and recipe faults."""

import pytest

from engine.config.load import load_recipe
from engine.core.errors import RecipeError
from engine.worlds.portraits.seeds import EVALUATORS, TRAIN, VALIDATION

NAMES = ["identity", "age", "age_evaluator", "landmarks"]


def people(plan):
    return range(plan.first, plan.first + plan.people)


@pytest.mark.parametrize("name", NAMES)
def test_a_network_is_built_from_the_seed_alone(name):
    one, same, other = (
        next(iter(load_recipe(f"nano/{name}", [f"seed={seed}"]).task().parts.values()))
        for seed in (5, 5, 6)
    )
    first = {key: value.flatten()[:9].tolist() for key, value in one.state_dict().items()}
    again = {key: value.flatten()[:9].tolist() for key, value in same.state_dict().items()}
    assert first == again
    assert any(
        value.flatten()[:9].tolist() != first[key] for key, value in other.state_dict().items()
    )


def test_no_two_networks_share_a_person():
    plans = [plan for name in NAMES for plan in _plans(name)]
    seeds = [seed for plan in plans for seed in people(plan)]
    assert len(set(seeds)) == len(seeds)


@pytest.mark.parametrize("name", NAMES)
def test_training_and_validation_people_are_in_their_own_ranges(name):
    train, validation = _plans(name)
    own = EVALUATORS if name == "age_evaluator" else TRAIN
    assert set(people(train)) <= set(own)
    assert set(people(validation)) <= set(VALIDATION)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("batch=130", "`batch` must hold"),
        ("batch=4", "`batch` must hold"),
        ("data.train.scenes=3", "fewer pictures of a person"),
        ("net.size=100", "divisible by 16"),
    ],
)
def test_an_identity_recipe_that_cannot_work_is_refused(setting, message):
    with pytest.raises(RecipeError, match=message):
        load_recipe("nano/identity", [setting])


@pytest.mark.parametrize("name", ["age", "age_evaluator", "landmarks"])
def test_a_size_that_the_stages_cannot_halve_is_refused(name):
    with pytest.raises(RecipeError, match="divisible by 16"):
        load_recipe(f"nano/{name}", ["net.size=100"])


def _plans(name):
    recipe = load_recipe(f"nano/{name}")
    return recipe.data.train, recipe.data.validation
