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
from engine.core.held import RECORD, HeldFolder, holding, may_overwrite
from engine.core.jsontext import from_json
from engine.core.regular import open_regular

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

    if is_dry() and not Path(lock.lock_file).is_file():
        with holding(held()) as own:
            yield own
        return
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise UsageError(
            f"`{what}` is in use by {_holder(owner)}", hint="wait for it, or choose another folder"
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


def _holder(owner: Path) -> str:
    try:
        with open_regular(owner) as file:
            holder = from_json(file.read())
        return f"process {holder['pid']} (`{holder['command']}`, since {holder['since']})"
    except (OSError, ValueError, KeyError, TypeError):  # not written yet, just gone, or not ours
        return "another process"
