"""Every shipped recipe is forecast, and every nano one is built."""

import person
import pytest
import torch

from engine.app.train import SeriesForecast, forecast_training, trainable_recipes
from engine.banks.build import BankPlan, build_bank
from engine.config.load import load_recipe
from engine.core.errors import RecipeError
from engine.core.progress import Silence
from engine.nets.named import load_identity_network
from engine.training.launch import build_task
from engine.training.recipe import TrainingRecipe

RECIPES = trainable_recipes()
NANO = [
    name
    for name, recipe in RECIPES.items()
    if "nano" in name and isinstance(recipe, TrainingRecipe)
]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A person, impostors, and a bank of them by the nano identity network."""
    folder = tmp_path_factory.mktemp("data")
    photos = person.photos(folder / "photos")
    impostors = person.photos(folder / "impostors", people=6, per_person=4, seed=person.IMPOSTORS)
    identity = load_identity_network("nano-identity", torch.device("cpu"))
    bank = folder / "bank.safetensors"
    build_bank(BankPlan(impostors, bank), identity, Silence(), device=torch.device("cpu"))
    return {"photos": photos, "impostors": impostors, "bank": bank}


@pytest.mark.parametrize("name", list(RECIPES))
def test_a_shipped_recipe_is_forecast(name):
    if name == "gan/grown":
        with pytest.raises(RecipeError, match="needs `start`"):
            forecast_training(name)
        return
    forecast = forecast_training(name)
    if isinstance(forecast, SeriesForecast):
        assert all(steps > 0 for _, _, steps in forecast.runs)
        return
    assert [phase.steps for phase in forecast.cost.phases]
    assert all(phase.parameters > 0 for phase in forecast.cost.phases)
    missing = RECIPES[name].missing_data()
    remark = f"the training needs {', '.join(f'`{key}`' for key in missing)}"
    assert (remark in forecast.cost.remarks) == bool(missing)


@pytest.mark.parametrize("name", NANO)
def test_a_nano_recipe_builds_its_task(name, data):
    missing = RECIPES[name].missing_data()
    if missing:
        with pytest.raises(RecipeError, match=f"`{missing[0]}` is required|needs a `bank`"):
            build_task(load_recipe(name))
    recipe = load_recipe(name, [f"{key}='{data[key]}'" for key in missing])
    task = build_task(recipe)
    updated = {part for parts in task.optimizer_steps.values() for part in parts}
    assert updated == set(task.parts)
    assert not recipe.missing_data()


@pytest.mark.parametrize("name", ["nano/prior", "agetransformer/nano"])
def test_the_objective_of_a_phase_is_one_of_its_kind(name):
    recipe = load_recipe(name)
    assert [recipe.objective_of(phase) for phase in recipe.phases] == ["outline", "picture"]
    with pytest.raises(RecipeError, match="unknown objective `outlin`, did you mean `outline`"):
        load_recipe(name, ["phase.0.objective='outlin'"])
