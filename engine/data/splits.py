"""Splits by hash: the side depends on the key alone, not on what else a folder holds."""

import hashlib


def hash_fraction(key: str) -> float:
    """A number in [0, 1) from the SHA-256 of `key`, uniform over keys (48 bits).

    >>> hash_fraction("a") == hash_fraction("a") != hash_fraction("b")
    True
    """
    return int(_digest(key)[:12], 16) / 16**12


def held_out(key: str, share: float) -> bool:
    """Whether `key` (a digest, a person) belongs to the held-out share of all keys.

    >>> sum(held_out(str(number), 0.3) for number in range(1000)) in range(260, 340)
    True
    """
    return hash_fraction(key) < share


def held_out_one_in(key: str, count: int) -> bool:
    """Whether `key` belongs to the held-out keys, one in `count`.

    >>> sum(held_out_one_in(str(number), 20) for number in range(1000)) in range(30, 70)
    True
    """
    return int(_digest(key)[:8], 16) % count == 0


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8")).hexdigest()
