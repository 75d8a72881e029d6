"""Atomic files: written under a temporary name, synced, renamed."""

import errno
import os
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from engine.core.dry_run import end_of_checks, is_dry
from engine.core.errors import DiskError, TmError, UsageError
from engine.core.held import TakenError, begin
from engine.core.jsontext import to_json

WEIGHTS_ELSEWHERE = "free some space, or choose another folder with TM_WEIGHTS"


@contextmanager
def written(path: Path) -> Generator[IO[bytes]]:
    """Open `path` for writing such that a killed process leaves the old file or the new one.

    Raises DiskError when the disk is full, UsageError when the folder may not be written, and
    TakenError for a path that the folder held by `engine.core.lock` refuses.
    """
    try:
        partial = begin(path)
        if is_dry():
            require_folder(path.parent)
            end_of_checks()
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with partial.open("wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
        _sync_folder(path.parent)
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise TakenError(
                f"its output `{path.name}` has a name too long for this disk"
            ) from None
        raise disk_error(error, path) from error


def write_bytes(path: Path, content: bytes) -> None:
    """Replace the file at `path` by `content` in one step."""
    with written(path) as file:
        file.write(content)


def write_text(path: Path, content: str) -> None:
    """Replace the file at `path` by UTF-8 text in one step."""
    write_bytes(path, content.encode("utf-8"))


def write_json(path: Path, content: Any) -> None:
    """Replace the file at `path` by indented JSON in one step."""
    write_text(path, to_json(content, indent=2) + "\n")


def disk_error(error: OSError, path: Path) -> TmError:
    """Turn an error of the operating system at writing `path` into a sentence and a hint."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskError(f"no space left to write `{path}`", hint="free some space, then run again")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return UsageError(f"`{path}` may not be written", hint="choose a folder of your own")
    if error.errno == errno.ELOOP:
        hint = "a link stands in its place: remove it, or name another folder"
        return UsageError(f"`{path}` is not written through a link", hint=hint)
    if error.errno in (errno.ENOTDIR, errno.EEXIST, errno.EISDIR):
        taken, wanted = "a file", "a folder"
        if error.errno == errno.EISDIR:
            taken, wanted = wanted, taken
        hint = f"{taken} stands where {wanted} is to be: choose another name"
        return UsageError(f"`{path}` cannot be written: {error.strerror}", hint=hint)
    return DiskError(f"`{path}` cannot be written: {error.strerror or error}")


def require_folder(folder: Path) -> None:
    """Check, and change nothing: a folder is there or could be made, and may be written to."""
    place = _nearest(folder)
    if not place.is_dir():
        raise disk_error(NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR)), folder)
    if not os.access(place, os.W_OK | os.X_OK):
        raise disk_error(PermissionError(errno.EACCES, os.strerror(errno.EACCES)), folder)


def require_room(folder: Path, need: int, *, hint: str = WEIGHTS_ELSEWHERE) -> None:
    """DiskError if fewer than `need` bytes are free where a folder lies."""
    free = shutil.disk_usage(_nearest(folder)).free
    if free < need:
        raise DiskError(
            f"`{folder}` has {free / 1e9:.1f} GB free, up to {need / 1e9:.1f} GB are needed",
            hint=hint,
        )


def _nearest(folder: Path) -> Path:
    """The folder, or what is there of the path to it."""
    while not os.path.lexists(folder) and folder != folder.parent:
        folder = folder.parent
    return folder


def _sync_folder(folder: Path) -> None:
    """Make the rename itself survive a power cut, where folders can be synced."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
