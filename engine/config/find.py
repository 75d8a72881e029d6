"""Find a recipe by path, by the full name of a shipped one, or by its stem."""

from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path

from engine.core.errors import RecipeError

DEFAULT_FOLDER = "mytm"
"""The folder in which a stem is looked up first."""


def shipped_folder() -> Path:
    """The folder of shipped recipes, in a checkout and in an installed wheel alike."""
    return Path(str(files("recipes")))


def shipped_recipes() -> dict[str, Path]:
    """Full names (`prep/photos`) of the shipped recipes and their files, in order of name."""
    folder = shipped_folder()
    paths = sorted(folder.rglob("*.toml"))
    return {path.relative_to(folder).with_suffix("").as_posix(): path for path in paths}


def find_recipe(name: str, *, beside: Path | None = None) -> Path:
    """The file of a recipe; RecipeError with the nearest names if there is none.

    Looked up as a path (relative to `beside` if given), as the full name of a shipped recipe, under
    `mytm/`, and last as the unique stem of a shipped one.
    """
    try:
        path = (beside or Path()) / Path(name).expanduser()
        if path.is_file():
            return path
        is_folder = path.is_dir()
    except (OSError, RuntimeError, ValueError) as error:  # `~nobody`, a name too long, a NUL
        raise RecipeError(f"`{name[:80]}` is no path of a recipe: {error}") from None
    if is_folder and Path(name).suffix:
        raise RecipeError(f"`{name}` is a folder, not a recipe", hint="give a file in it")
    shipped, stem = shipped_recipes(), Path(name).as_posix().removesuffix(".toml")
    for full in (stem, f"{DEFAULT_FOLDER}/{stem}"):
        if full in shipped:
            return shipped[full]
    same_stem = [full for full in shipped if full.rpartition("/")[2] == stem]
    if len(same_stem) == 1:
        return shipped[same_stem[0]]
    if same_stem:
        raise RecipeError(f"`{name}` may mean {_listed(same_stem)}", hint="write the full name")
    raise RecipeError(f"no recipe at `{name}`", hint=_nearest(name, stem, path, list(shipped)))


def _nearest(name: str, stem: str, path: Path, shipped: list[str]) -> str:
    beside = sorted(p.name for p in path.parent.glob("*.toml")) if path.parent.is_dir() else []
    if near := get_close_matches(path.name, beside, n=1):
        return f"did you mean `{path.parent / near[0]}`?"
    near = get_close_matches(stem, shipped, n=1)
    if not near:
        by_stem = {full.rpartition("/")[2]: full for full in reversed(shipped)}
        near = [by_stem[match] for match in get_close_matches(stem, list(by_stem), n=1)]
    if near:
        return f"did you mean `{near[0]}`?"
    return f"shipped recipes: {', '.join(shipped)}"


def _listed(names: list[str]) -> str:
    return " or ".join(f"`{name}`" for name in names)
