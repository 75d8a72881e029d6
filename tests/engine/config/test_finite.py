"""No recipe takes a number that is not finite, wherever it stands."""

import pytest

from engine.config.find import shipped_recipes
from engine.config.load import load_recipe, read_tree
from engine.core.errors import RecipeError
from engine.core.numbers import AgeWindow, Span, parse_number


def numbers(value, place=()):
    """The dotted keys of every number in a recipe."""
    if isinstance(value, dict):
        for key, one in value.items():
            yield from numbers(one, (*place, key))
    elif isinstance(value, list):
        for index, one in enumerate(value):
            yield from numbers(one, (*place, str(index)))
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield ".".join(place)


RECIPES = ["nano/identity", "nano/prior", "mytm/stage2", "gan/landscapes", "enhance/portrait",
           "relabel/moe", "prep/photos", "infer/portrait"]  # fmt: skip


@pytest.mark.parametrize("name", RECIPES)
def test_every_number_of_a_recipe_refuses_nan_and_infinity(name):
    keys = list(numbers(read_tree(shipped_recipes()[name])))
    taken = []
    for key in keys:
        for bad in ("nan", "-inf", "1e999"):
            try:
                load_recipe(name, [f"{key}={bad}"])
            except RecipeError:
                continue
            taken.append(f"{key}={bad}")
    assert not taken


@pytest.mark.parametrize("text", ["1e999", "-1e400", "nan", "inf", "9" * 400])
@pytest.mark.parametrize("parse", [parse_number, Span.parse, AgeWindow.parse])
def test_numbers_in_text_are_finite(parse, text):
    with pytest.raises(ValueError):
        parse(f"{text}..{text}" if parse == Span.parse else text)
