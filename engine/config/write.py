"""Write a recipe as TOML that loads equal."""

import json
from collections.abc import Iterator

import toml

from engine.config.base import Recipe
from engine.core.table import Table


def recipe_toml(recipe: Recipe) -> str:
    """The resolved recipe as TOML with all defaults."""
    encoder = toml.TomlEncoder()
    encoder.dump_funcs[str] = _quoted  # its own fails on, or loses, control characters
    return toml.dumps(recipe.dump(), encoder)


def _quoted(text: str) -> str:
    r"""A string of TOML: as in JSON, but for DEL.

    >>> _quoted('\x1b"\x7fß')
    '"\\u001b\\"\\u007fß"'
    """
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def unset_keys(table: Table, place: str = "") -> Iterator[tuple[str, str]]:
    """The keys without a value, which TOML cannot write: dotted key and description."""
    for name, field in type(table).model_fields.items():
        value, here = getattr(table, name), f"{place}{name}"
        if name in table.unused:
            continue
        if value is None:
            yield here, field.description if field.description is not None else ""
        elif isinstance(value, Table):
            yield from unset_keys(value, f"{here}.")
        elif isinstance(value, tuple):
            for index, entry in enumerate(value):  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
                if isinstance(entry, Table):
                    yield from unset_keys(entry, f"{here}.{index}.")
