"""Locks on folders; the error names the process that holds one."""

import os
import shlex
import sys
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from engine.core.atomic import disk_error, require_folder, write_json
from engine.core.dry_run import is_dry
from engine.core.errors import UsageError
from engine.core.held import RECORD, HeldFolder, holding, is_record, may_overwrite
from engine.core.jsontext import from_json
from engine.core.regular import read_bytes

LOCK = ".lock"


@contextmanager
def locked(
    folder: Path, *, guarded: bool = False, inputs: Iterable[Path] = (), name: str = ""
) -> Generator[HeldFolder]:
    """Hold `folder` for this process; UsageError names the process that holds it already.

    The operating system drops the lock when a process dies, so a killed run leaves none behind.

    Args:
        folder: made if it is absent.
        guarded: only files of its own are replaced, see `engine.core.held`.
        inputs: files that nothing may replace.
        name: of one output, where other programs may write to the same folder meanwhile.

    A dry run checks that the folder could be held, and leaves it as it is.
    """
    try:
        require_folder(folder)
        if not is_dry():
            folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise disk_error(error, folder) from error
    before = f".{name}" if name else ""
    lock, owner = FileLock(folder / f"{before}{LOCK}"), folder / f"{before}{LOCK}.json"
    what = folder / name

    def held() -> HeldFolder:
        record = f"{before}{RECORD}"
        return HeldFolder(
            folder, guarded=guarded, overwrite=may_overwrite(), inputs=inputs, record=record
        )

    _require_ours(Path(lock.lock_file), owner, folder / f"{before}{RECORD}")
    if is_dry() and not Path(lock.lock_file).is_file():
        with holding(held()) as own:
            yield own
        return
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise UsageError(
            f"`{what}` is in use by {_holder(owner) or 'another process'}",
            hint="wait for it, or choose another folder",
        ) from None
    except OSError as error:
        raise disk_error(error, folder) from error
    try:
        try:
            own = held()
            if not is_dry():
                since = datetime.now(UTC).isoformat(timespec="seconds")
                command = shlex.join(sys.argv)
                write_json(owner, {"pid": os.getpid(), "command": command, "since": since})
                own.sweep()  # nobody else writes here now: what is unfinished belongs to the dead
        except OSError as error:
            raise disk_error(error, folder) from error
        with holding(own):
            yield own
    finally:
        if not is_dry():
            owner.unlink(missing_ok=True)
        lock.release()


def _require_ours(lock: Path, owner: Path, record: Path) -> None:
    """UsageError for what stands where the files of a lock are to be, and is none of them."""
    for path in (lock, owner, record):
        if not os.path.lexists(path):
            continue
        ours = path.is_file() and not path.is_symlink()
        if ours and path == lock:
            ours = _is_lock(path)
        elif ours and path == owner:
            ours = _holder(path) is not None
        elif ours:
            ours = is_record(path)
        if not ours and os.path.lexists(path):  # it may be gone since: another run has ended
            raise UsageError(
                f"`{path}` was not made by tm, which keeps a file of its own there",
                hint="remove it, or name another folder",
            )


def _is_lock(path: Path) -> bool:
    """Whether a file is empty, or names process and host as `filelock` does on disks without locks
    of their own."""
    process, *host = read_bytes(path).split(b"\n")
    return not process if not any(host) else process.isdigit()


def _holder(owner: Path) -> str | None:
    """The process that a file names; None for a file that was not made here, or that is gone."""
    try:
        holder = from_json(read_bytes(owner))
        return f"process {holder['pid']} (`{holder['command']}`, since {holder['since']})"
    except (OSError, ValueError, KeyError, TypeError):
        return None
