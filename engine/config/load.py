"""Load and validate a recipe from a TOML file and `key=value` settings."""

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

from pydantic import ValidationError

from engine.config.base import RECIPES, Recipe
from engine.config.find import find_recipe
from engine.config.merge import MergeError, Tree, lay_over, parse_setting
from engine.core.errors import RecipeError
from engine.core.regular import open_regular

R = TypeVar("R", bound=Recipe)
LARGEST = 1 << 20
"""Bytes of a recipe that are read."""


def load_recipe(name: str | Path, settings: Sequence[str] = ()) -> Recipe:
    """Find, merge and validate a recipe; RecipeError lists every fault with its dotted key.

    name: a path, or the name of a shipped recipe; settings: `key=value`, over those of the file.
    """
    return _loaded(name, settings, None)


def load_recipe_as(root: type[R], name: str | Path, settings: Sequence[str] = ()) -> R:
    """Like `load_recipe`; RecipeError unless the recipe is a `root`."""
    recipe = _loaded(name, settings, root)
    if not isinstance(recipe, root):
        wanted = root.model_fields["kind"].default
        raise RecipeError(f"`{name}` is a recipe of kind `{recipe.kind}`, not `{wanted}`")
    return recipe


def _loaded(name: str | Path, settings: Sequence[str], expected: type[Recipe] | None) -> Recipe:
    path = find_recipe(str(name))
    tree, faults = read_tree(path), list[str]()
    for setting in settings:
        try:
            tree = lay_over(tree, parse_setting(setting))
        except MergeError as fault:
            faults.append(f"{fault.place}: {fault.message}")
    tree.setdefault("name", path.stem)
    try:
        recipe = _root(tree, expected).model_validate(tree)
    except ValidationError as error:
        faults += [f"{_dotted(fault['loc'])}: {fault['msg']}" for fault in error.errors()]
        raise _faulty(path, faults, settings) from None
    if faults:
        raise _faulty(path, faults, settings)
    return recipe


def read_tree(path: Path) -> Tree:
    """The tables of a recipe file merged over those of the recipes it extends."""
    layers, visited = list[Tree](), list[Path]()
    following: Path | None = path
    while following is not None:
        if following.resolve() in visited:
            raise RecipeError(f"`{path}` extends itself through `{following}`")
        visited.append(following.resolve())
        layer = read_toml(following)
        base = layer.pop("extends", None)
        if base is not None and not isinstance(base, str):
            raise RecipeError(f"`extends` in `{following}` must be the name of one recipe")
        layers.append(layer)
        following = find_recipe(base, beside=following.parent) if base is not None else None
    tree: Tree = {}
    for layer in reversed(layers):
        # `name` and `about` are not inherited.
        tree = {key: value for key, value in tree.items() if key not in ("name", "about")}
        try:
            tree = lay_over(tree, layer)
        except MergeError as fault:
            raise _faulty(path, [f"{fault.place}: {fault.message}"]) from None
    return tree


def read_toml(path: Path) -> Tree:
    """The tables of one TOML file; RecipeError says where it is not TOML."""
    try:
        with open_regular(path) as file:
            return tomllib.loads(file.read(LARGEST).decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise RecipeError(f"`{path}` is not UTF-8 text") from None
    except ValueError as error:  # not TOML, or a number of thousands of digits
        raise RecipeError(f"`{path}` is not valid TOML: {error}") from None
    except RecursionError:
        raise RecipeError(f"`{path}` is nested too deeply") from None
    except OSError as error:
        raise RecipeError(f"`{path}` cannot be read: {error.strerror}") from None


def _root(tree: Tree, expected: type[Recipe] | None) -> type[Recipe]:
    """The class of a recipe; that of the expected kind without importing all the others."""
    kind = tree.get("kind")
    if expected is not None and kind == expected.model_fields["kind"].default:
        return expected
    if kind is None:
        raise RecipeError("the recipe has no `kind`", hint=f"known kinds: {', '.join(RECIPES)}")
    if not isinstance(kind, str) or kind not in RECIPES:
        raise RecipeError(RECIPES.miss(str(kind)))
    return RECIPES[str(kind)]


def _faulty(path: Path, faults: list[str], settings: Sequence[str] = ()) -> RecipeError:
    """Blames the file, unless it is sound without the settings."""
    many = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
    what = f"`{path}` has"
    if settings and _is_sound(path):
        what = "what was set on top of the recipe has"
    return RecipeError(f"{what} {many}", faults=faults)


def _is_sound(path: Path) -> bool:
    try:
        load_recipe(path)
    except RecipeError:
        return False
    return True


def _dotted(loc: tuple[Any, ...]) -> str:
    return ".".join(str(part) for part in cast(tuple[int | str, ...], loc)) or "(root)"
