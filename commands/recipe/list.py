"""The shipped recipes."""

from commands._console import emit_json, emit_table
from commands._options import AsJson

HELP = "List the shipped recipes: name, kind, what for."
EXAMPLE = "tm recipe list --json"


def run(as_json: AsJson = False) -> None:
    from engine.app.recipe import every_recipe

    rows = [(name, recipe.kind, recipe.about) for name, recipe in every_recipe().items()]
    if as_json:
        emit_json({"recipes": [{"name": n, "kind": k, "about": a} for n, k, a in rows]})
    else:
        emit_table(("recipe", "kind", "about"), rows)
