"""All faults of a recipe."""

from typing import Annotated

import typer

from commands._console import emit_json, escape, say
from commands._options import AsJson, Settings

HELP = "Check a recipe and list all of its faults."
EXAMPLE = "tm recipe check my.toml"


def run(
    recipe: Annotated[
        str, typer.Argument(metavar="RECIPE", help="A path, or the name of a shipped recipe.")
    ],
    settings: Settings = None,
    as_json: AsJson = False,
) -> None:
    from engine.app.recipe import load_recipe

    loaded = load_recipe(recipe, settings or ())
    if as_json:
        emit_json({"recipe": recipe, "kind": loaded.kind, "name": loaded.name, "faults": []})
    say(f"`{escape(recipe)}` is a valid recipe of kind `{loaded.kind}`")
