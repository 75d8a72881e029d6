"""Whether one weights file is the published one, and still what it was at first sight."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from engine.weights.lockfile import Lock
from engine.weights.manifest import Weight
from engine.weights.signature import damage_in

State = Literal["ok", "recorded", "wrong", "changed", "damaged", "gone"]

BAD: tuple[State, ...] = ("wrong", "changed", "damaged")


@dataclass(frozen=True, slots=True)
class FileCheck:
    """The result of checking one file of the folder."""

    path: Path
    state: State
    sha256: str | None
    note: str = ""

    @property
    def bad(self) -> bool:
        """Whether the file must not be used."""
        return self.state in BAD


def check_file(
    path: Path, published: Weight | None, lock: Lock, *, full: bool = False
) -> FileCheck:
    """Check one file of the lock's folder; a new digest goes on record, which is not saved here.

    published: the entry whose very file it must be, None for a file that only has to stay the
    same. full: read the file even if its size and time of change are those on record.
    """
    fault = damage_in(path)
    if fault is not None:
        return FileCheck(path, "damaged", None, fault)
    size = path.stat().st_size
    if published is not None and published.bytes not in (None, size):
        note = f"has {size:,} bytes instead of {published.bytes:,}"
        return FileCheck(path, "wrong", None, note)
    digest, record = lock.digest(path, full=full), lock.files.get(lock.key(path))
    if published is not None and not published.agrees(digest):
        return FileCheck(path, "wrong", digest, f"is not the published file: SHA-256 {digest}")
    if record is not None and record.sha256 != digest:
        note = f"is not what it was on {record.at}: SHA-256 {digest}"
        return FileCheck(path, "changed", digest, note)
    if record is None or not record.unchanged(path):
        lock.record(path, digest, "found" if record is None else record.source)
    if record is None and not (published is not None and published.digest_known):
        return FileCheck(path, "recorded", digest, "seen for the first time")
    return FileCheck(path, "ok", digest)
