"""Whether a state dict fits a network: every key that does not, in one report."""

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase

from torch import Tensor

from engine.core.errors import WeightsError

NAMED = 8
"""How many keys of a sort the report names before it only counts."""


def check_keys(
    state: Mapping[str, Tensor],
    expected_shapes: Mapping[str, Sequence[int]],
    *,
    optional: Iterable[str] = (),
    what: str = "the state dict",
) -> None:
    """Raise WeightsError with every missing, unexpected and misshapen key, or do nothing.

    `optional` are patterns (`noises.*`) of keys that may be missing or extra; where such a key is
    in both, its shape counts.
    """
    patterns = tuple(optional)

    def needed(key: str) -> bool:
        return not any(fnmatchcase(key, pattern) for pattern in patterns)

    missing = [key for key in expected_shapes if key not in state and needed(key)]
    unexpected = [key for key in state if key not in expected_shapes and needed(key)]
    misshapen = [
        f"{key} {_shape(state[key].shape)} instead of {_shape(shape)}"
        for key, shape in expected_shapes.items()
        if key in state and tuple(state[key].shape) != tuple(shape)
    ]
    told = [
        f"{len(keys)} {sort} ({_named(keys)})"
        for sort, keys in (
            ("missing", missing),
            ("unexpected", unexpected),
            ("misshapen", misshapen),
        )
        if keys
    ]
    if told:
        raise WeightsError(
            f"{what} does not fit the network: {'; '.join(told)}",
            hint="the file is of another network, or of another version of it",
        )


def _named(keys: Sequence[str]) -> str:
    rest = len(keys) - NAMED
    return ", ".join(keys[:NAMED]) + (f" and {rest} more" if rest > 0 else "")


def _shape(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape)) if len(shape) else "scalar"
