"""Folders that this process writes into: it stays inside them, replaces only files of their own,
and removes only what died runs left unfinished there.

A folder's record (`.tm-files`) names every file that was begun in it, before it is begun. Workers
are handed the folders that their parent holds.
"""

import os
import re
import secrets
import shutil
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from engine.core.dry_run import is_dry
from engine.core.errors import PictureError, UsageError
from engine.core.jsontext import from_json, to_json
from engine.core.regular import open_regular

RECORD = ".tm-files"
PARTIAL = ".partial"
LONGEST = 200
"""Bytes of a file's name that its temporary name shows."""


class TakenError(PictureError):
    """An output would leave its folder, or replace a file that is not its folder's own."""


class HeldFolder:
    """A folder that is locked, and its record.

    guarded: refuse to replace what the record does not name; overwrite: except for these, which
    are replaced, too; inputs: files that are never replaced.
    """

    def __init__(
        self,
        path: Path,
        *,
        guarded: bool = False,
        overwrite: bool = False,
        inputs: Iterable[Path] = (),
        record: str = RECORD,
    ) -> None:
        self.path = Path.cwd() / path
        self.root = self.path.resolve()
        self.guarded = guarded
        self.overwrite = overwrite
        self.inputs = frozenset(self._inside(inputs))
        self.record = self.root / record
        self.folder_record = self.record
        self.is_new = not os.path.lexists(self.record)
        self._own: set[str] = set()
        self._read_to: dict[Path, int] = {}

    def for_worker(self, apart: str = "") -> "HeldFolder":
        """The same folder without what this process has read of its record.

        apart: names a record of the worker's own, since several machines cannot append to one file
        of a shared disk; `release` puts it into that of the folder.
        """
        copy = HeldFolder(self.root, guarded=self.guarded, overwrite=self.overwrite)
        copy.path, copy.inputs, copy.record = self.path, self.inputs, self.record
        copy.folder_record = self.record
        if apart:
            copy.record = self.record.with_name(f"{self.record.name}.{apart}")
        return copy

    def holds(self, path: Path) -> bool:
        """Whether an absolute path begins with this folder, links and `..` not yet resolved."""
        return path.is_relative_to(self.path) or path.is_relative_to(self.root)

    def begin(self, path: Path) -> Path:
        """Enter a file into the record; returns the temporary name it is written under first.

        TakenError for a path that leads out of the folder, for an input, and in a guarded folder
        for a file that is not its own.
        """
        place = self._resolved(path)
        name = place.relative_to(self.root).as_posix()
        if place in self.inputs:
            raise TakenError(f"its output `{name}` would replace an input")
        if self.guarded and os.path.lexists(place) and not self.overwrite and not self.owns(name):
            raise TakenError(
                f"its output `{name}` is there already and was not made by this folder's runs"
                " (`--overwrite` replaces it)"
            )
        temporary = temporary_name(place)
        if is_dry():
            return temporary
        self._append([[name, temporary.relative_to(self.root).as_posix()]])
        self._own.add(name)
        return temporary

    def owns(self, name: str) -> bool:
        """Whether the record names a file, by its path in the folder."""
        if name not in self._own:
            self._own |= {own for own, _ in self._entries([self.folder_record])}
        if name not in self._own and self.record != self.folder_record:
            # Another worker may have died between writing it and saying so.
            self._own |= {own for own, _ in self._entries(self._apart())}
        return name in self._own

    def require_own(self, *names: str) -> None:
        """UsageError, before any work, for a file that is there and not this folder's own."""
        for name in names:
            place = self.root / name
            if os.path.lexists(place) and not self.overwrite and not self.owns(name):
                raise UsageError(
                    f"`{self.path / name}` is there already, and was not made by runs into "
                    f"`{self.path}`",
                    hint="name another folder, or replace it with `--overwrite`",
                )

    def adopt(self, names: Iterable[str]) -> None:
        """Enter files that earlier runs made: a folder without a record still has its ledger."""
        if is_dry():
            self._own.update(names)
            return
        self._append([[name, None] for name in names])

    def remove(self, *names: str) -> None:
        """Remove files of this folder's own that have become stale; others stay."""
        for name in names:
            if self.owns(name) and (self.root / name).is_file():
                (self.root / name).unlink()

    def sweep(self) -> None:
        """Remove what died runs left unfinished, and forget what is gone; the lock is held."""
        self._gather()
        entries = self._entries([self.record])
        for _, temporary in entries:
            if temporary is not None:
                self._remove(temporary)
        own = sorted({name for name, _ in entries if os.path.lexists(self.root / name)})
        self._own, self._read_to = set(), {}
        self.record.unlink(missing_ok=True)
        if self.guarded or not self.is_new:
            self.adopt(own)

    def release(self) -> None:
        """Remove what a full disk or an interrupt has left unfinished, and keep the record only
        where it says what the folder owns."""
        if is_dry():
            return
        self._gather()
        self._read_to = {}
        for own, temporary in self._entries([self.record]):
            self._own.add(own)
            if temporary is not None:
                self._remove(temporary)
        if self.is_new and not self.guarded:
            self.record.unlink(missing_ok=True)

    def _gather(self) -> None:
        """Put what workers of other machines have entered into the record of the folder."""
        for other in self._apart():
            self._append([[own, temporary] for own, temporary in _read(other, 0)[0]])
            other.unlink(missing_ok=True)

    def _apart(self) -> list[Path]:
        """The records of workers of other machines."""
        named = re.compile(re.escape(self.folder_record.name) + r"\.[0-9a-f]{8}")
        names = sorted(os.listdir(self.root)) if self.root.is_dir() else []
        return [self.root / name for name in names if named.fullmatch(name) is not None]

    def _resolved(self, path: Path) -> Path:
        try:
            place = path.parent.resolve() / path.name
        except (OSError, RuntimeError):  # a link to itself
            place = Path(path.anchor)
        if path.name in ("", "..") or not place.is_relative_to(self.root) or place == self.root:
            raise TakenError(f"its output `{path}` would lie outside `{self.path}`")
        return place

    def _inside(self, inputs: Iterable[Path]) -> Generator[Path]:
        parents: dict[Path, Path] = {}
        for path in inputs:
            if path.parent not in parents:
                parents[path.parent] = Path(os.path.realpath(path.parent))
            place = parents[path.parent] / path.name
            if place.is_relative_to(self.root):
                yield place

    def _append(self, entries: list[list[str | None]]) -> None:
        if not entries:
            return
        lines = "".join(to_json(entry) + "\n" for entry in entries).encode("utf-8")
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
        handle = os.open(self.record, flags, 0o666)
        try:
            os.write(handle, lines)
        finally:
            os.close(handle)

    def _entries(self, records: Iterable[Path]) -> list[tuple[str, str | None]]:
        """What processes and runs have entered into records since these were read last."""
        fresh: list[tuple[str, str | None]] = []
        for record in records:
            entries, self._read_to[record] = _read(record, self._read_to.get(record, 0))
            fresh += entries
        return fresh

    def _remove(self, name: str) -> None:
        """Remove a temporary file or folder by its exact name, if it is one and lies in here."""
        path = self.root / name
        if not path.name.endswith(PARTIAL) or not os.path.lexists(path):
            return
        try:
            place = self._resolved(path)
        except TakenError:
            return
        if place.is_dir() and not place.is_symlink():
            shutil.rmtree(place)
        else:
            place.unlink(missing_ok=True)


_held: list[HeldFolder] = []
_overwriting = [False]


@contextmanager
def holding(folder: HeldFolder) -> Generator[HeldFolder]:
    """Let everything that is written below a locked folder go through it."""
    _held.append(folder)
    try:
        yield folder
    finally:
        _held.remove(folder)
        folder.release()


@contextmanager
def overwriting(wanted: bool) -> Generator[None]:
    """Whether outputs may replace files that tm did not make (`--overwrite`)."""
    before = _overwriting[0]
    _overwriting[0] = wanted
    try:
        yield
    finally:
        _overwriting[0] = before


def may_overwrite() -> bool:
    """Whether `overwriting` is in effect."""
    return _overwriting[0]


def held_folders(apart: str = "") -> list[HeldFolder]:
    """What a worker is handed; `apart` as of `HeldFolder.for_worker`."""
    return [folder.for_worker(apart) for folder in _held]


def take_over(folders: Iterable[HeldFolder]) -> None:
    """Hold, in a worker, what its parent holds."""
    _held[:] = list(folders)


def folder_of(path: Path) -> HeldFolder | None:
    """The innermost held folder that a path begins with."""
    whole = Path.cwd() / path
    around = [folder for folder in _held if folder.holds(whole)]
    return max(around, key=lambda folder: len(folder.root.parts), default=None)


def begin(path: Path) -> Path:
    """The temporary name of a file that is about to be written; see `HeldFolder.begin`."""
    folder = folder_of(path)
    return temporary_name(path) if folder is None else folder.begin(Path.cwd() / path)


def is_record(path: Path) -> bool:
    """Whether a regular file is empty, or begins with a line of a record, perhaps cut short."""
    with open_regular(path) as file:
        first = file.readline(1 << 16)
    return not first or _entry(first) is not None or (first[:2] == b'["' and first[-1:] != b"\n")


def within(folder: Path, name: str) -> Path:
    """A name that was read from outside, joined to the folder that it has to stay in.

    UsageError for an absolute path, one with `..` or a NUL in it, and one that links lead out.
    """
    parts = Path(name).parts
    inside = bool(parts) and "\0" not in name and ".." not in parts and not Path(name).is_absolute()
    if inside:
        try:
            place = (folder / name).parent.resolve()
            inside = place.is_relative_to(folder.resolve())
        except (OSError, RuntimeError):
            inside = False
    if not inside:
        raise UsageError(f"`{name}` leads out of `{folder}`", hint="correct the manifest")
    return folder / name


def temporary_name(path: Path) -> Path:
    """A name beside a file; cut, since a file name may be as long as the disk allows."""
    begun = path.name.encode("utf-8", "ignore")[:LONGEST].decode("utf-8", "ignore")
    return path.with_name(f".{begun}.{secrets.token_hex(6)}{PARTIAL}")


def _read(record: Path, start: int) -> tuple[list[tuple[str, str | None]], int]:
    """The entries of a record from a byte on, and the byte after them; none where it is absent."""
    try:
        with open_regular(record) as file:
            file.seek(start)
            content = file.read()
    except FileNotFoundError:
        return [], start
    lines = content.split(b"\n")
    return [entry for line in lines if (entry := _entry(line)) is not None], start + len(content)


def _entry(line: bytes) -> tuple[str, str | None] | None:
    """A line of a record; None for a line that was cut short or is not ours."""
    try:
        entry: Any = from_json(line)
    except ValueError:
        return None
    match entry:
        case [str(name), str() | None as temporary]:
            return name, temporary
        case _:
            return None
