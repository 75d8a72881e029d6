"""Write a recipe as TOML that loads equal."""

import inspect
from collections.abc import Iterator

import toml

from engine.config.base import Recipe
from engine.core.jsontext import to_json
from engine.core.table import Table
from engine.schedules.base import Schedule


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
    return to_json(text).replace("\x7f", "\\u007f")


def explained_keys(table: Table, place: str = "") -> Iterator[tuple[str, str, str]]:
    """Every key of a table and of the tables in it: dotted key, value and description.

    The description of a `kind` is that of its class; a schedule is one value.
    """
    for name in type(table).model_fields:
        value, here = getattr(table, name), f"{place}{name}"
        words = " ".join(_about(table, name, value).split("\n\n")[0].split())
        parts: tuple[object, ...] = value if isinstance(value, tuple) else (value,)
        tables = [one for one in parts if isinstance(one, Table) and not isinstance(one, Schedule)]
        if not tables:
            dumped = table.dump().get(name)
            yield here, "not set" if dumped is None else to_json(dumped), words
            continue
        yield here, "", words
        for number, one in enumerate(tables):
            yield from explained_keys(one, f"{here}.{number}." if value is parts else f"{here}.")


def _about(table: Table, name: str, value: object) -> str:
    """The description of a key: its own, that of the class it comes from, or its table's."""
    if name == "kind":
        return inspect.getdoc(type(table)) or ""
    for base in type(table).__mro__:
        field = base.model_fields.get(name) if issubclass(base, Table) else None
        if field is not None and field.description:
            return field.description
    is_table = isinstance(value, Table) and not isinstance(value, Schedule)
    return (inspect.getdoc(type(value)) or "") if is_table else ""


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
