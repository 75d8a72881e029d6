"""Locks on folders; the error names the process that holds one."""

import json
import os
import shlex
import sys
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from engine.core.atomic import disk_error, sweep, write_json
from engine.core.errors import UsageError


@contextmanager
def locked(folder: Path) -> Generator[None]:
    """Hold `folder` for this process; UsageError names the process that holds it already.

    The operating system drops the lock when a process dies, so a killed run leaves none behind.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise disk_error(error, folder) from error
    lock, owner = FileLock(folder / ".lock"), folder / ".lock.json"
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise UsageError(
            f"`{folder}` is in use by {_holder(owner)}",
            hint="wait for it, or choose another folder",
        ) from None
    except OSError as error:
        raise disk_error(error, folder) from error
    try:
        since = datetime.now(UTC).isoformat(timespec="seconds")
        write_json(owner, {"pid": os.getpid(), "command": shlex.join(sys.argv), "since": since})
        sweep(folder)  # nobody else writes here now, so what is partial belongs to the dead
        yield
    finally:
        owner.unlink(missing_ok=True)
        lock.release()


def _holder(owner: Path) -> str:
    try:
        holder = json.loads(owner.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # the holder has not written its name yet, or is just leaving
        return "another process"
    return f"process {holder['pid']} (`{holder['command']}`, since {holder['since']})"
