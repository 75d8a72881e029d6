"""The shipped recipes."""

from commands._console import emit_json, emit_table
from commands._options import AsJson

HELP = "List the shipped recipes: name, kind, what for."
EXAMPLE = "tm recipe list --json"


def run(as_json: AsJson = False) -> None:
    from engine.config.find import shipped_recipes
    from engine.config.load import load_recipe

    recipes = [(name, load_recipe(path)) for name, path in shipped_recipes().items()]
    if as_json:
        told = [{"name": n, "kind": r.kind, "about": r.about} for n, r in recipes]
        emit_json({"recipes": told})
    else:
        emit_table(("recipe", "kind", "about"), [(n, r.kind, r.about) for n, r in recipes])
