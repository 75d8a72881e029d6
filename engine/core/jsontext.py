"""JSON as it is written and read here: no NaN, no infinity, any file name."""

import json
from collections.abc import Callable
from math import isfinite
from typing import Any, cast


def to_json(
    value: Any,
    *,
    indent: int | None = None,
    sort_keys: bool = False,
    separators: tuple[str, str] | None = None,
    default: Callable[[Any], Any] | None = None,
) -> str:
    """JSON text that encodes to UTF-8; numbers that are not finite become null.

    >>> to_json({"age": float("nan"), "of": [1.5, float("inf")]})
    '{"age": null, "of": [1.5, null]}'
    """

    def text(content: Any, *, ascii_only: bool) -> str:
        return json.dumps(
            content, indent=indent, sort_keys=sort_keys, separators=separators, default=default,
            ensure_ascii=ascii_only, allow_nan=False,
        )  # fmt: skip

    try:
        written = text(value, ascii_only=False)
    except ValueError:
        value = _finite(value)
        written = text(value, ascii_only=False)
    try:
        written.encode("utf-8")
    except UnicodeEncodeError:  # a file name that is not UTF-8
        return text(value, ascii_only=True)
    return written


def from_json(text: str | bytes) -> Any:
    """What JSON text holds, NaN and infinities as null; ValueError for text that is none."""
    try:
        return json.loads(text, parse_constant=_null)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _null(constant: str) -> None:
    return None


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in cast("dict[Any, Any]", value).items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in cast("list[Any]", value)]
    return value
