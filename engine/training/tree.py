"""Nested state, such as an optimizer's, as named tensors and JSON; nothing is pickled."""

from collections.abc import Mapping
from math import isfinite
from typing import Any, cast

from torch import Tensor

TENSOR, PAIRS, TUPLE, FLOAT = "$tensor", "$pairs", "$tuple", "$float"


def pack(value: Any, name: str, tensors: dict[str, Tensor]) -> Any:
    """JSON for `value`; its tensors go into `tensors` under dotted names.

    Takes mappings with keys of any plain kind, lists, tuples, tensors, numbers, text and None;
    TypeError for anything else, with its dotted name.
    """
    match value:
        case Tensor():
            tensors[name] = value
            return {TENSOR: name}
        case Mapping():
            # JSON would turn the whole-number keys of an optimizer's state into text.
            items = cast(Mapping[Any, Any], value).items()
            return {PAIRS: [[key, pack(part, f"{name}.{key}", tensors)] for key, part in items]}
        case tuple():
            return {TUPLE: _packed(cast(tuple[Any, ...], value), name, tensors)}
        case list():
            return _packed(cast(list[Any], value), name, tensors)
        case float() if not isfinite(value):  # the least value of a curve that has none yet
            return {FLOAT: repr(value)}
        case None | bool() | int() | float() | str():
            return value
        case _:
            raise TypeError(f"`{name}` is a {type(value).__name__}, which a checkpoint cannot keep")


def unpack(packed: Any, tensors: Mapping[str, Tensor]) -> Any:
    """The inverse of `pack`, tensors taken from `tensors`; KeyError if one is missing."""
    if isinstance(packed, list):
        return [unpack(part, tensors) for part in cast(list[Any], packed)]
    if not isinstance(packed, dict):
        return packed
    (kind, content), *_ = cast(dict[str, Any], packed).items()
    if kind == TENSOR:
        return tensors[content]
    if kind == FLOAT:
        return float(content)
    if kind == TUPLE:
        return tuple(unpack(part, tensors) for part in content)
    return {key: unpack(part, tensors) for key, part in content}


def _packed(
    values: list[Any] | tuple[Any, ...], name: str, tensors: dict[str, Tensor]
) -> list[Any]:
    return [pack(part, f"{name}.{index}", tensors) for index, part in enumerate(values)]
