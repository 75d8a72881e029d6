"""Merge tables: `extends` and `--set` have the same rules."""

import tomllib
from typing import Any, cast

Tree = dict[str, Any]


class MergeError(Exception):
    """A setting that cannot be merged; `place` is its dotted key."""

    def __init__(self, place: str, message: str) -> None:
        super().__init__(message)
        self.place = place
        self.message = message


def lay_over(base: Any, over: Any, place: str = "") -> Any:
    """`over` merged over `base`, neither of them changed.

    Tables merge key by key, unless the new one names another `kind`. A list is replaced, but a
    table over a list of tables changes the entries it names, by index or by `kind`; an entry that
    is a mere name counts as a table of that kind. Raises MergeError.
    """
    if isinstance(over, dict) and isinstance(base, dict):
        return _table_over_table(cast(Tree, base), cast(Tree, over), place)
    if isinstance(over, dict) and isinstance(base, list):
        return _table_over_list(cast(list[Any], base), cast(Tree, over), place)
    return cast(Any, over)


def _table_over_table(base: Tree, over: Tree, place: str) -> Tree:
    # Another kind has other keys: those of the old kind would be faults.
    if place and over.get("kind", base.get("kind")) != base.get("kind"):
        return over
    merged = dict(base)
    for key, value in over.items():
        merged[key] = lay_over(base.get(key), value, f"{place}.{key}".lstrip("."))
    return merged


def _table_over_list(base: list[Any], over: Tree, place: str) -> list[Any]:
    merged = list(base)
    for key, value in over.items():
        for index in _entries(base, key, f"{place}.{key}"):
            entry = base[index]
            a_name = isinstance(entry, str) and isinstance(value, dict)
            named = {"kind": entry} if a_name else entry
            merged[index] = lay_over(named, value, f"{place}.{index}")
    return merged


def _entries(base: list[Any], key: str, place: str) -> list[int]:
    if key.isdecimal():
        if int(key) < len(base):
            return [int(key)]
        raise MergeError(place, f"there is no entry {key}, the list has {len(base)}")
    kinds = [
        cast(Tree, e).get("kind") if isinstance(e, dict) else e if isinstance(e, str) else None
        for e in base
    ]
    if matches := [index for index, kind in enumerate(kinds) if kind == key]:
        return matches
    known = ", ".join(str(kind) for kind in kinds if kind is not None)
    if known:
        raise MergeError(place, f"there is no entry of that kind, the list has: {known}")
    raise MergeError(place, f"entries go by number here, from 0; the list has {len(base)}")


def parse_setting(setting: str) -> Tree:
    """Read `a.b.c=value` into a nested table; the value is TOML, or text if it is not.

    >>> parse_setting("target.age=40±2"), parse_setting("loss.0.weight=0.1")
    ({'target': {'age': '40±2'}}, {'loss': {'0': {'weight': 0.1}}})
    """
    dotted, equals, text = setting.partition("=")
    keys = [key.strip() for key in dotted.split(".")]
    if not equals or not all(keys):
        raise MergeError(setting, "not a setting, write it as `key=value` or `table.key=value`")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):
        value = text.strip()
    for key in reversed(keys):
        value = {key: value}
    return cast(Tree, value)
