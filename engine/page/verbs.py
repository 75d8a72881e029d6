"""What the page asks of `tm`: given by `engine.app`, which lies above it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Model:
    """Weights that age faces and are here: what `--weights` calls them, and a word about them."""

    name: str
    about: str


@dataclass(frozen=True, slots=True)
class Verbs:
    """Functions of a module, since some run in processes of their own.

    models: the installed models that age faces, the photo model first. age, enhance and landscape
    take their arguments by keyword, with a `progress`; age returns `rows` (as in `results.jsonl`)
    and `models`, enhance `rows` (as in `manifest.jsonl`) and `models`, landscape the row of one.
    prepare returns the `rows` of `manifest.jsonl` and `warnings` about the set, learn the place of
    the `report`.
    """

    models: Callable[[], list[Model]]
    age: Callable[..., dict[str, Any]]
    enhance: Callable[..., dict[str, Any]]
    landscape: Callable[..., dict[str, Any]]
    prepare: Callable[..., dict[str, Any]]
    learn: Callable[..., dict[str, Any]]
