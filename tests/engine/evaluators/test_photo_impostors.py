"""d0 of photographs: the finest cell of people that has enough pairs, named."""

import json
from importlib.resources import files

import pytest

from engine.evaluators import photo_impostors as impostors
from engine.evaluators.identity import DlibIdentity, Person
from engine.evaluators.photo_impostors import Cell, impostors_of, photo_impostors


@pytest.mark.parametrize(
    ("age", "sex", "lightness", "cell"),
    [
        (50, "male", 65.0, "male, 45-59, light"),
        (50, "male", 49.9, "male, 45-59, dark"),
        (44.9, "male", 50.0, "male, under 45, medium"),
        (45, "female", 60.0, "female, 45-59, light"),
        # Three dark women of that age are three pairs: their skin is left out.
        (50, "female", 40.0, "female, 45-59"),
        # 21 pairs of women under 45, and 3 over 74: their age is left out too.
        (30, "female", 65.0, "female"),
        (80, "female", 65.0, "female"),
        (7, "male", 65.0, "male, under 45, light"),
        (118, "male", 65.0, "male, over 74, light"),
        (65, "female", None, "female, 60-74"),
        (65, None, None, "60-74"),
        (65, None, 65.0, "60-74"),
    ],
)
def test_the_cell_is_the_finest_with_enough_pairs(age, sex, lightness, cell):
    assert photo_impostors(age, sex, lightness).cell == cell


def test_without_anything_known_the_impostors_are_everyone():
    assert impostors_of(Cell()) == impostors_of(Cell(lightness="light"))
    assert impostors_of(Cell()).cell == "everyone"


def test_every_cell_in_use_has_thirty_pairs_and_nothing_of_a_person_ships():
    table = json.loads(files("engine.evaluators").joinpath(impostors.FILE).read_text("utf-8"))
    known = {Cell(*(row[k] for k in Cell._fields)).name: row for row in table["cells"]}
    for row in table["cells"]:
        own = impostors_of(Cell(row["sex"], row["band"], row["lightness"]))
        assert known[own.cell]["pairs"] >= table["least_pairs"] == impostors.LEAST_PAIRS
        assert own.distance == known[own.cell]["distance"]
        assert row["pairs"] <= row["people"] * (row["people"] - 1) / 2
    assert {key for row in table["cells"] for key in row} == {
        "sex",
        "band",
        "lightness",
        "distance",
        "spread",
        "people",
        "pairs",
    }


def test_identity_is_0_for_a_stranger_of_ones_own_kind_and_1_for_the_same_picture():
    evaluator = DlibIdentity(drawn=False)
    for person in (Person("eve", 65, "female", 70.0), Person(None, 30, "male", 70.0)):
        distance, cell = evaluator.impostors(person)
        assert person.sex in cell
        assert evaluator.identity(-distance, person) == pytest.approx(0)
        assert evaluator.identity(0.0, person) == 1
    # Old women are nearer to each other than young men.
    old, young = Person("", 65, "female", 70.0), Person("", 30, "male", 70.0)
    assert evaluator.identity(-0.7, old) < evaluator.identity(-0.7, young)
