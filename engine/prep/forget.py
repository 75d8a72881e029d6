"""Removing what identifies people by their faces, which no photograph needs to be kept."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from engine.core.errors import UsageError
from engine.core.lock import locked
from engine.core.places import features_folder
from engine.core.regular import open_regular
from engine.data.manifest import MANIFEST, ledger_of

BANK_MARK, HEAD = b'"tm_bank":', 1 << 16
BANK_LEDGER = ".ledger.jsonl"


@dataclass(frozen=True, slots=True)
class Forgotten:
    """Descriptors removed from each manifest, and the files and folders that were deleted."""

    descriptors: dict[Path, int]
    removed: tuple[Path, ...]

    @property
    def nothing(self) -> bool:
        """Whether nothing biometric was there."""
        return not self.removed and not any(self.descriptors.values())


def forget(folder: Path, *, write: bool = True) -> Forgotten:
    """Remove the biometric data of a folder and of all below it; photographs and labels stay.

    These are the descriptors of `manifest.jsonl`, banks of faces with their ledgers, and what
    trainings measured of photographs, wherever those lie (`TM_CACHE/photo-features`). All of it can
    be made again by the command that made it. Links are not followed. UsageError if `folder` is
    none; write: False only says what would go.
    """
    if not folder.is_dir():
        raise UsageError(f"`{folder}` is no folder")
    descriptors: dict[Path, int] = {}
    removed: list[Path] = []
    for path in _files(folder):
        if path.name == MANIFEST:
            descriptors[path] = _without_descriptors(path.parent, write=write)
        elif _is_bank(path):
            ledger = path.with_name(f"{path.stem}{BANK_LEDGER}")
            removed += [path, *([ledger] if ledger.is_file() else [])]
    features = features_folder()
    removed += [features] if features.is_dir() else []
    for path in removed if write else ():
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    return Forgotten({path: count for path, count in descriptors.items() if count}, tuple(removed))


def _files(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        folders.sort()
        yield from (Path(place, name) for name in sorted(names))


def _without_descriptors(folder: Path, *, write: bool) -> int:
    """How many rows hold a descriptor; with `write` they hold none, and are to be scored again."""
    if not write:
        return sum("descriptor" in row for row in ledger_of(folder).rows.values())
    with locked(folder), ledger_of(folder) as ledger:
        known = [row for row in ledger.rows.values() if "descriptor" in row]
        for row in known:
            ledger.add({k: v for k, v in row.items() if k not in ("descriptor", "scored")})
    return len(known)


def _is_bank(path: Path) -> bool:
    if path.suffix != ".safetensors" or path.is_symlink() or not path.is_file():
        return False
    with open_regular(path) as file:
        return BANK_MARK in file.read(HEAD)
