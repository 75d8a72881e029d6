import json
import subprocess
import sys
from typing import Annotated, Literal

import pytest
from pydantic import Field, SerializeAsAny

from engine.config.base import RECIPES, Recipe
from engine.config.curves import schedules_in
from engine.config.find import find_recipe, shipped_recipes
from engine.config.load import load_recipe
from engine.config.write import recipe_toml
from engine.core.errors import RecipeError
from engine.core.numbers import AgeWindow, Count, Span
from engine.core.registry import Registry
from engine.core.table import Table, one_of
from engine.schedules import ScheduleValue

TERMS: Registry["Term"] = Registry("term", package="engine.schedules")


class Term(Table):
    kind: str
    weight: ScheduleValue


@TERMS.register("roi")
class Roi(Term):
    kind: Literal["roi"] = "roi"
    regions: tuple[Literal["eyes", "mouth", "nose"], ...] = ("eyes",)


class Sketch(Recipe):
    """A recipe with one of everything the language has."""

    kind: Literal["sketch"] = "sketch"
    seed: int = 0
    steps: Count = Field(gt=0)
    window: Span = Span(35, 45)
    target: AgeWindow = AgeWindow(40, 2)
    rate: ScheduleValue
    loss: tuple[Annotated[SerializeAsAny[Term], one_of(TERMS)], ...] = ()


GOOD = """
kind = "sketch"
steps = "60k"
target = "40±2"
rate = { kind = "cosine", start = 1e-4, end = 5e-7, steps = "60k" }
[[loss]]
kind = "roi"
weight = "0:0.05, 20k:0.07, 36k:0.05"
regions = ["eyes", "mouth"]
"""

BAD = """
kind = "sketch"
name = 7
step = 5
window = "45..35"
target = "forty"
rate = "0:0.1, x"
[[loss]]
kind = "rio"
weight = 1
[[loss]]
kind = "roi"
weight = { kind = "stepz" }
region = ["eyes"]
regions = ["eyes", "mouthh"]
"""


@pytest.fixture(autouse=True)
def _sketches(monkeypatch):
    list(RECIPES)
    monkeypatch.setitem(RECIPES._classes, "sketch", Sketch)


@pytest.fixture
def written(tmp_path):
    def write(text, name="sketch.toml"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_every_shipped_recipe_is_valid_and_named_by_its_stem():
    assert shipped_recipes()
    for path in shipped_recipes().values():
        recipe = load_recipe(path)
        assert recipe.name == path.stem
        assert recipe.about


@pytest.mark.parametrize("name", list(shipped_recipes()))
def test_a_resolved_shipped_recipe_reads_back_equal(name, written):
    recipe = load_recipe(name)
    assert load_recipe(written(recipe_toml(recipe))) == recipe


def test_a_resolved_recipe_reads_back_equal(written):
    recipe = load_recipe(written(GOOD))
    assert load_recipe(written(recipe_toml(recipe), "again.toml")) == recipe
    assert recipe.steps == 60_000
    assert recipe.loss[0].weight.at(20_000) == 0.07


def test_all_faults_are_listed_at_once_with_their_keys(written):
    with pytest.raises(RecipeError) as caught:
        load_recipe(written(BAD), ["loss.9.weight=1", "seed=x"])
    lines = str(caught.value).splitlines()
    assert lines[0].endswith("has 12 faults")
    assert [line.strip() for line in lines[1:]] == [
        "loss.9: there is no entry 9, the list has 2",
        "name: expected text",
        "seed: expected a whole number",
        "steps: this key is required",
        "window: the range `45..35` ends before it begins",
        "target: `forty` is not an age; write it as `40` or `40±2`",
        "rate: `0:0.1, x` is not a schedule: `x` is not a number; write it as `0.07`, `60k` or "
        "`1.5M`",
        "loss.0: unknown term `rio`, did you mean `roi`?",
        "loss.1.weight: unknown schedule `stepz`, did you mean `steps`?",
        "loss.1.regions.1: unknown value `mouthh`, did you mean `mouth`?",
        "loss.1.region: unknown key, did you mean `regions`?",
        "step: unknown key, did you mean `steps`?",
    ]


def test_settings_go_over_the_file(written):
    recipe = load_recipe(written(GOOD), ["loss.roi.weight=0", "steps=2k", "target=35+-1"])
    assert recipe.loss[0].weight.at(0) == 0.0
    assert recipe.steps == 2_000
    assert recipe.target == AgeWindow(35, 1)


def test_a_recipe_extends_another_beside_it(written):
    written(GOOD, "base.toml")
    recipe = load_recipe(written('extends = "base.toml"\nsteps = 5\n[loss.roi]\nweight = 2\n'))
    assert (recipe.steps, recipe.name, recipe.target) == (5, "sketch", AgeWindow(40, 2))
    assert recipe.loss[0].weight.at(0) == 2.0


def test_a_recipe_extends_a_shipped_one(written):
    recipe = load_recipe(
        written('extends = "prep/photos"\n[advice]\nfewest_photos = 0\n', "my.toml")
    )
    assert (recipe.name, recipe.about, recipe.advice.fewest_photos) == ("my", "", 0)


def test_a_circle_of_recipes_is_refused(written):
    written('extends = "b.toml"\n', "a.toml")
    with pytest.raises(RecipeError, match="extends itself through"):
        load_recipe(written('extends = "a.toml"\n', "b.toml"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("steps = ", "is not valid TOML"),
        ("steps = 5", "has no `kind`"),
        ('kind = "scetch"', "did you mean `sketch`"),
        ("extends = 5", "must be the name of one recipe"),
        ('extends = "nowhere"', "no recipe at `nowhere`"),
    ],
)
def test_an_unusable_file_is_refused(written, text, words):
    with pytest.raises(RecipeError, match=words):
        load_recipe(written(text))


def test_a_file_that_is_not_text_is_refused(tmp_path):
    (tmp_path / "x.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RecipeError, match="not UTF-8"):
        load_recipe(tmp_path / "x.toml")


@pytest.mark.parametrize("name", ["prep/photos", "photos", "photos.toml", "prep/photos.toml"])
def test_a_shipped_recipe_is_found_by_name_and_stem(name):
    assert find_recipe(name) == shipped_recipes()["prep/photos"]


def test_a_path_goes_before_a_shipped_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").write_text("")
    assert find_recipe("photos").resolve() == (tmp_path / "photos").resolve()


def test_a_stem_is_looked_up_under_mytm_first_and_must_else_be_unique(monkeypatch, tmp_path):
    monkeypatch.setattr("engine.config.find.shipped_folder", lambda: tmp_path)
    for name in ("mytm/stage1", "nano/stage1", "nano/all", "gan/all"):
        path = tmp_path / f"{name}.toml"
        path.parent.mkdir(exist_ok=True)
        path.write_text("")
    assert find_recipe("stage1.toml") == tmp_path / "mytm/stage1.toml"
    with pytest.raises(RecipeError, match="may mean `gan/all` or `nano/all`"):
        find_recipe("all")


def test_a_missing_recipe_offers_the_nearest(written):
    path = written(GOOD, "stage_one.toml")
    with pytest.raises(RecipeError, match="no recipe at") as caught:
        find_recipe(str(path.with_name("stage_on.toml")))
    assert caught.value.hint == f"did you mean `{path}`?"
    with pytest.raises(RecipeError, match="no recipe at") as caught:
        find_recipe("photo")
    assert caught.value.hint == "did you mean `prep/photos`?"


def test_every_schedule_of_a_recipe_is_found(written):
    schedules = dict(schedules_in(load_recipe(written(GOOD))))
    assert set(schedules) == {"rate", "loss.0.weight"}


def test_a_recipe_of_a_known_kind_imports_no_other_kinds():
    code = (
        "import sys; from engine.inference.recipe import load_infer; load_infer('infer/portrait'); "
        "print([name for name in sys.modules if name.startswith('engine.landscapes')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", shipped_recipes())
def test_a_recipe_says_which_drawn_worlds_it_renders(name):
    recipe = load_recipe(name)
    counted = {"portraits": '"scenes":', "landscapes": '"count":'}
    text = json.dumps(recipe.dump())
    assert recipe.worlds().keys() == {world for world, key in counted.items() if key in text}


def test_rated_photos_take_the_place_of_the_drawn_landscapes():
    assert load_recipe("gan/tiny", ["photos=mine"]).worlds() == {}
