"""What a reader may do with a hostile file: refuse it in one sentence, or read the same tensors."""

import random

import pytest
import torch

from engine.core.errors import WeightsError


def require_sentence(error: WeightsError) -> None:
    """The error is of exit code 4, one plain sentence, and has a hint."""
    assert error.exit_code == 4
    text = str(error)
    assert text.isprintable()
    assert 20 < len(text) < 600
    assert not text.endswith(".")
    assert error.hint


def refused(read) -> bool:
    """Whether reading ends in a WeightsError; any other exception fails the test."""
    try:
        read()
    except WeightsError as error:
        require_sentence(error)
        return True
    return False


def same(one, other) -> bool:
    """Whether two sets of tensors are equal in names, shapes, types and numbers."""
    return list(one) == list(other) and all(
        one[key].dtype == other[key].dtype and torch.equal(one[key], other[key]) for key in one
    )


def alike(one, other, *, changed: int) -> bool:
    """Whether names and shapes are equal, all finite, and at most `changed` numbers differ."""
    if list(one) != list(other) or any(one[k].shape != other[k].shape for k in one):
        return False
    finite = all(torch.isfinite(tensor.double()).all() for tensor in one.values())
    return finite and sum(int((one[k] != other[k]).sum()) for k in one) <= changed


def flips(data: bytes, count: int, seed: int = 0) -> list[bytes]:
    """Copies of `data` with one bit turned, at places drawn from the whole of it."""
    draw = random.Random(seed)
    copies: list[bytes] = []
    for _ in range(count):
        copy = bytearray(data)
        copy[draw.randrange(len(copy))] ^= 1 << draw.randrange(8)
        copies.append(bytes(copy))
    return copies


def cuts(data: bytes, count: int, seed: int = 0) -> list[bytes]:
    """Beginnings of `data`, the empty one and the longest among them."""
    draw = random.Random(seed)
    ends = [0, 1, len(data) - 1, *(draw.randrange(len(data)) for _ in range(count - 3))]
    return [data[:end] for end in ends]


@pytest.fixture(scope="session")
def hostile():
    """The functions above, for tests that cannot import a conftest."""

    class Hostile:
        require_sentence = staticmethod(require_sentence)
        refused = staticmethod(refused)
        same = staticmethod(same)
        alike = staticmethod(alike)
        flips = staticmethod(flips)
        cuts = staticmethod(cuts)

    return Hostile
