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
class Finding:
    """What a check found out about one file of the folder."""

    path: Path
    state: State
    sha256: str | None
    note: str = ""

    @property
    def bad(self) -> bool:
        """Whether the file must not be used."""
        return self.state in BAD


def examine(path: Path, published: Weight | None, lock: Lock, *, full: bool = False) -> Finding:
    """Judge one file of the lock's folder; what is new goes on record, which is not saved here.

    `published` is the entry whose very file it must be, None for a file that only has to stay the
    same. `full` reads the file even if its size and time of change stand.
    """
    fault = damage_in(path)
    if fault is not None:
        return Finding(path, "damaged", None, fault)
    size = path.stat().st_size
    if published is not None and published.bytes not in (None, size):
        note = f"has {size:,} bytes instead of {published.bytes:,}"
        return Finding(path, "wrong", None, note)
    digest, seen = lock.digest(path, full=full), lock.files.get(lock.key(path))
    if published is not None and not published.agrees(digest):
        return Finding(path, "wrong", digest, f"is not the published file: SHA-256 {digest}")
    if seen is not None and seen.sha256 != digest:
        note = f"is not what it was on {seen.at}: SHA-256 {digest}"
        return Finding(path, "changed", digest, note)
    if seen is None or not seen.still(path):
        lock.record(path, digest, "found" if seen is None else seen.source)
    if seen is None and not (published is not None and published.digest_known):
        return Finding(path, "recorded", digest, "seen for the first time")
    return Finding(path, "ok", digest)
