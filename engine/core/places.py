"""Folders the user decides about through the environment."""

import os
from pathlib import Path

WEIGHTS, CACHE = "TM_WEIGHTS", "TM_CACHE"
FEATURES = "photo-features"
CONTENT = 24
"""Digits of a picture's SHA-256 with which the names of its measurements there begin."""


def weights_folder() -> Path:
    """The folder of checkpoints: `TM_WEIGHTS`, else `.cache/tm/weights` at home."""
    chosen = os.environ.get(WEIGHTS)
    return Path(chosen).expanduser() if chosen else Path.home() / ".cache" / "tm" / "weights"


def offline() -> bool:
    """Whether `TM_OFFLINE` forbids any use of the network."""
    return os.environ.get("TM_OFFLINE", "0") not in ("", "0")


def cache_folder() -> Path:
    """The folder of what can be made again: `TM_CACHE`, else `.cache/tm` at home."""
    chosen = os.environ.get(CACHE)
    return Path(chosen).expanduser() if chosen else Path.home() / ".cache" / "tm"


def features_folder() -> Path:
    """The folder of what trainings measured of photographs; it identifies people."""
    return cache_folder() / FEATURES
