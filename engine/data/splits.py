"""Which side of a split something falls on, by what it is and not by when it came."""

import hashlib


def held_out(key: str, share: float) -> bool:
    """Whether `key` (a digest, a person) belongs to the held-out share of all keys.

    >>> sum(held_out(str(number), 0.3) for number in range(1000)) in range(260, 340)
    True
    """
    digits = hashlib.sha256(key.encode("utf-8")).hexdigest()[:12]
    return int(digits, 16) / 16**12 < share
