"""Removing what identifies people by their faces, which no photograph needs to be kept."""

import os
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from engine.banks.rows import holds_rows
from engine.core.digest import file_sha256
from engine.core.dry_run import checks_only
from engine.core.errors import UsageError
from engine.core.ledger import Ledger, Row, read_rows
from engine.core.lock import locked
from engine.core.places import CONTENT, features_folder
from engine.core.regular import open_regular
from engine.data.manifest import MANIFEST, ledger_of

IDENTIFYING = {"descriptor", "landmarks"}
"""Keys of manifest rows that identify a person by the face."""
BANK_MARK, EMBEDDING, HEAD = b'"tm_bank":', b'"embedding"', 1 << 16
BANK_LEDGER = ".ledger.jsonl"


@dataclass(frozen=True, slots=True)
class Forgotten:
    """Rows of each manifest that identified somebody, and the files that were deleted."""

    descriptors: dict[Path, int]
    removed: tuple[Path, ...]

    @property
    def nothing(self) -> bool:
        """Whether nothing biometric was there."""
        return not self.removed and not any(self.descriptors.values())


def forget(folder: Path, *, write: bool = True) -> Forgotten:
    """Remove the biometric data of a folder and of all below it; photographs and labels stay.

    These are the descriptors and the landmarks of photographs in `manifest.jsonl`, banks of faces
    with their ledgers, mean embeddings, and what trainings measured of these photographs, which
    lies in `TM_CACHE/photo-features`. All of it can be made again by the command that made it.
    Links are not followed. UsageError if `folder` is none; write: False only says what would go.
    """
    if not folder.is_dir():
        raise UsageError(f"`{folder}` is no folder")
    descriptors: dict[Path, int] = {}
    removed: list[Path] = []
    for path in _files(folder):
        if path.name == MANIFEST:
            descriptors[path] = _without_descriptors(path.parent, write=write)
        elif _identifies(path):
            removed.append(path)
    removed += _measured(folder)
    for path in removed if write else ():
        path.unlink()
    return Forgotten({path: count for path, count in descriptors.items() if count}, tuple(removed))


def _measured(folder: Path) -> list[Path]:
    """What trainings measured of the pictures below a folder, or of those its manifests name."""
    features = features_folder()
    records = sorted(features.glob("*.npz")) if features.is_dir() else []
    if not records:
        return []
    own = {digest for path in _files(folder) if (digest := _sha256(path)) is not None}
    for path in _files(folder):
        if path.name == MANIFEST:
            own |= {str(row.get("sha256")) for row in read_rows(path, torn=True)}
    beginnings = {digest[:CONTENT] for digest in own}
    return [path for path in records if path.name.partition("-")[0] in beginnings]


def _sha256(path: Path) -> str | None:
    """The digest of a regular file; None for what cannot be read."""
    if path.is_symlink():
        return None
    try:
        return file_sha256(path)
    except OSError:
        return None


def _files(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        folders.sort()
        yield from (Path(place, name) for name in sorted(names))


def _without_descriptors(folder: Path, *, write: bool) -> int:
    """How many rows of photographs identify somebody; with `write` none does, and all are to be
    scored again. Rendered people are nobody.
    """
    known = _identifying(ledger_of(folder))
    with (
        nullcontext() if write else checks_only(),
        locked(folder),
        ledger_of(folder) as ledger,
    ):
        for row in _identifying(ledger):
            ledger.add({k: v for k, v in row.items() if k not in {*IDENTIFYING, "scored"}})
    return len(known)


def _identifying(ledger: Ledger) -> list[Row]:
    return [row for row in ledger.rows.values() if IDENTIFYING & row.keys() and "truth" not in row]


def _identifies(path: Path) -> bool:
    """Whether a file is a bank, a file of mean embeddings, or the ledger or the rows of a bank."""
    if path.is_symlink() or not path.is_file():
        return False
    if holds_rows(path):
        return True
    with open_regular(path) as file:
        if path.suffix == ".safetensors":
            return BANK_MARK in file.read(HEAD)
        return BANK_LEDGER in path.name and EMBEDDING in file.read(HEAD)
