"""Rendered sets on the disk: each rendered once, complete or absent, memory-mapped."""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.core.atomic import disk_error
from engine.core.digest import settings_digest
from engine.core.places import cache_folder

PICTURES, TRUTH = "pictures.npy", "truth.npz"


def cached(world: str, settings: dict[str, Any], fill: Callable[[Path], None]) -> Path:
    """The cache folder of these settings; `fill` fills it where it is absent.

    It is filled under a temporary name, then renamed: other processes may fill it, too.
    """
    folder = cache_folder() / world / settings_digest(settings)
    if not (folder / TRUTH).exists():
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            partial_folder = Path(tempfile.mkdtemp(prefix=".partial-", dir=folder.parent))
            try:
                fill(partial_folder)
                if not folder.exists():
                    partial_folder.rename(folder)
            finally:
                shutil.rmtree(partial_folder, ignore_errors=True)
        except OSError as error:
            raise disk_error(error, folder) from error
    return folder


def new_pictures(folder: Path, count: int, size: int) -> "np.memmap[Any, np.dtype[np.uint8]]":
    """A memory-mapped array (count, size, size, 3) in a folder that is being filled."""
    shape = (count, size, size, 3)
    return np.lib.format.open_memmap(folder / PICTURES, mode="w+", dtype=np.uint8, shape=shape)


def cached_pictures(folder: Path) -> NDArray[np.uint8]:
    """The pictures (n, size, size, 3) of a filled folder, mapped from the disk."""
    return np.load(folder / PICTURES, mmap_mode="r")
