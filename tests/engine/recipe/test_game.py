"""What a recipe says of a game, and what the training makes of it."""

from dataclasses import asdict

import pytest

from engine.recipe.game import GameLoss
from engine.recipe.kinds.restoring import Pull
from engine.training.tasks.portrait_game import GameAim
from engine.training.tasks.restoring import RestoringAim


@pytest.mark.parametrize(("table", "aim"), [(GameLoss, GameAim), (Pull, RestoringAim)])
def test_a_training_without_a_word_on_weights_is_the_one_that_a_recipe_means(table, aim):
    assert table().model_dump() == asdict(aim())
