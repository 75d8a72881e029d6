import json
import tomllib

import pytest

from engine.app.recipe import explained_keys, load_recipe
from engine.config.find import shipped_recipes


def test_list_names_every_shipped_recipe(tm):
    result = tm("recipe", "list", "--json")
    assert result.code == 0
    assert [recipe["name"] for recipe in result.json["recipes"]] == list(shipped_recipes())


def test_list_is_a_table_for_people(tm):
    result = tm("recipe", "list")
    assert "prep/photos" in result.out
    assert result.err == ""


def test_show_prints_toml_that_can_be_checked(tm, tmp_path):
    shown = tm("recipe", "show", "photos", "--set", "advice.fewest_photos=0")
    assert "fewest_photos = 0" in shown.out
    (tmp_path / "again.toml").write_text(shown.out, encoding="utf-8")
    result = tm("recipe", "check", tmp_path / "again.toml")
    assert result.code == 0
    assert "valid recipe of kind `prep`" in result.err
    assert result.out == ""


def test_show_names_the_keys_that_are_not_set(tm, tmp_path):
    shown = tm("recipe", "show", "infer/portrait")
    result = [line for line in shown.out.splitlines() if line.startswith("#")]
    assert any(line.startswith("# edit.layers is not set") for line in result)
    assert any(line.startswith("# truth is not set: ") for line in result)
    assert tomllib.loads(shown.out) == tm("recipe", "show", "infer/portrait", "--json").json
    given = tm("recipe", "show", "infer/portrait", "--set", "edit.layers=[0, 1]")
    assert "edit.layers is not set" not in given.out


def test_show_as_json_is_the_same_recipe(tm):
    assert tm("recipe", "show", "photos", "--json").json["name"] == "photos"


def test_check_lists_all_faults_on_stderr_and_exits_2(tm, tmp_path):
    path = tmp_path / "bad.toml"
    path.write_text('kind = "prep"\n[advise]\n[advice]\nfewest_photo = 3\n')
    result = tm("recipe", "check", path, "--set", "reading.max_megapixels=-1")
    assert result.code == 2
    assert result.out == ""
    assert result.err.splitlines() == [
        f"error: `{path}` has 3 faults",
        "  reading.max_megapixels: Input should be greater than 0",
        "  advice.fewest_photo: unknown key, did you mean `fewest_photos`?",
        "  advise: unknown key, did you mean `advice`?",
    ]


def test_a_recipe_that_is_not_there_comes_with_a_hint(tm):
    result = tm("recipe", "show", "photoz")
    assert result.code == 2
    assert result.err.splitlines() == [
        "error: no recipe at `photoz`",
        "",
        "hint: did you mean `prep/photos`?",
    ]


def test_draw_shows_the_lowest_and_highest_value_and_the_last_step(tm):
    result = tm("recipe", "draw", "0:0.05, 20k:0.07, 36k:0.05", "--until", "45k")
    assert result.code == 0
    for label in ("0.07 ┤", "0.05 ┤", "45,000"):
        assert label in result.out


def test_draw_as_json_gives_the_points(tm):
    result = tm("recipe", "draw", '{kind="linear", start=0, end=1, steps=10}', "--json").json
    assert result["points"][0] == [0, 0.0]
    assert result["points"][-1][1] == 1.0


@pytest.mark.parametrize("argv", [("0:x",), ("{kind=",), ("1", "--until", "many")])
def test_draw_refuses_nonsense(tm, argv):
    assert tm("recipe", "draw", *argv).code == 2


def test_an_unknown_subcommand_offers_the_nearest(tm):
    result = tm("recipe", "shwo")
    assert result.code == 2
    assert "show" in result.err


def test_json_is_one_object(tm):
    assert json.loads(tm("recipe", "check", "photos", "--json").out)["faults"] == []


def test_show_explains_every_key(tm):
    result = tm("recipe", "show", "nano/stage1", "--explain")
    assert result.code == 0
    lines = result.out.splitlines()
    place = next(n for n, line in enumerate(lines) if line.startswith("miner.widest = 1"))
    assert "Largest `radius`" in lines[place + 1]
    keys = tm("recipe", "show", "nano/stage1", "--explain", "--json").json
    assert keys["miner.impostors"]["value"] == "not set"
    assert keys["loss.0.weight"]["about"]


def test_every_key_of_a_personal_training_has_a_meaning():
    names = ("nano/stage1", "mytm/stage1", "mytm/two_stage", "nano/oneshot_40")
    bare = {
        f"{name}: {key}"
        for name in names
        for key, _, about in explained_keys(load_recipe(name))
        if not about
    }
    assert bare == set()
