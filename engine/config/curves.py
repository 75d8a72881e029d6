"""Schedules to draw: those of a recipe by their dotted key, and single ones."""

import tomllib
from collections.abc import Iterator
from typing import cast

from engine.core.errors import RecipeError
from engine.core.numbers import parse_count
from engine.core.table import Table
from engine.schedules import Schedule, parse_schedule


def schedules_in(value: object, place: str = "") -> Iterator[tuple[str, Schedule]]:
    """Every schedule in a recipe, outermost first and not those inside a chain."""
    if isinstance(value, Schedule):
        yield place, value
    elif isinstance(value, Table):
        for key in type(value).model_fields:
            yield from schedules_in(getattr(value, key), f"{place}.{key}".lstrip("."))
    elif isinstance(value, tuple):
        for index, entry in enumerate(cast(tuple[object, ...], value)):
            yield from schedules_in(entry, f"{place}.{index}")


def read_schedule(text: str) -> Schedule:
    """Parse a schedule as in a recipe: a number, `step:value` pairs, or a table in braces.

    RecipeError for a fault.
    """
    if not text.lstrip().startswith("{"):
        return parse_schedule(text)
    try:
        return parse_schedule(tomllib.loads(f"value = {text}")["value"])
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"`{text}` is not a TOML table: {error}") from None


def read_step(text: str) -> int:
    """Parse a step in human notation, such as `45k`; RecipeError for a fault."""
    try:
        return parse_count(text)
    except ValueError as error:
        raise RecipeError(str(error)) from None
