"""A recipe as it will be used."""

from typing import Annotated

import typer

from commands._console import emit_json, out
from commands._curve import draw_curve
from commands._options import AsJson, Settings

HELP = "Print a recipe resolved, every default written out, and draw its schedules."
EXAMPLE = "tm recipe show prep/photos --set detection.rotations=false"


def run(
    recipe: Annotated[
        str, typer.Argument(metavar="RECIPE", help="A path, or the name of a shipped recipe.")
    ],
    explain: Annotated[
        bool, typer.Option("--explain", help="What every key means, in place of the TOML.")
    ] = False,
    settings: Settings = None,
    as_json: AsJson = False,
) -> None:
    from engine.app.recipe import explained_keys, load_recipe, recipe_toml, schedules_in, unset_keys

    loaded = load_recipe(recipe, settings or ())
    if explain:
        keys = list(explained_keys(loaded))
        if as_json:
            emit_json({key: {"value": value, "about": about} for key, value, about in keys})
        for key, value, about in () if as_json else keys:
            out.print(f"{key} = {value}" if value else key, markup=False)
            if about:
                out.print(f"    {about}", markup=False)
        return
    if as_json:
        emit_json(loaded.dump())
        return
    out.print(recipe_toml(loaded), markup=False, end="")
    for place, about in unset_keys(loaded):
        first = " ".join(about.split("\n\n")[0].split())
        out.print(f"# {place} is not set" + (f": {first}" if first else ""), markup=False)
    for place, schedule in schedules_in(loaded):
        if schedule.length:
            out.print()
            draw_curve(place, schedule)
