"""What a recipe says of a game, and what the training makes of it."""

from dataclasses import asdict

import pytest

from engine.trainings.adversarial import AdversarialAim
from engine.trainings.adversarial_weights import AdversarialWeights
from engine.trainings.restoration.recipe import Pull
from engine.trainings.restoration.task import RestorationAim


@pytest.mark.parametrize(
    ("table", "aim"), [(AdversarialWeights, AdversarialAim), (Pull, RestorationAim)]
)
def test_a_training_without_a_word_on_weights_is_the_one_that_a_recipe_means(table, aim):
    assert table().model_dump() == asdict(aim())
