"""How a run ends that does not end by itself: signals, limits of the machine, our own mistakes."""

import atexit
import errno
import os
import signal
import sys
import tempfile
import threading
import traceback
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

from engine.core.errors import MemoryLimitError, TmError, UsageError

OPEN_FILES = (errno.EMFILE, errno.ENFILE)
FULL = (errno.ENOSPC, errno.EDQUOT)
INTERRUPTED = 130
NO_MEMORY = ("allocate memory", "out of memory", "map segment", "Cannot allocate", "bad_alloc")


def require_arguments(arguments: Sequence[str]) -> None:
    """UsageError for an empty argument: as a path it would mean the current folder."""
    for argument in arguments:
        if not argument or (argument.startswith("--") and argument.endswith("=")):
            raise UsageError(
                f"the argument `{argument}` is empty",
                hint="an unset variable of a script? write `.` for the current folder",
            )


def keep_code(code: int) -> None:
    """Let a signal that comes while the interpreter shuts down end the process by `code`.

    The work is done and said; by default it would end as one that was killed in the middle.
    """
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # nobody reads it any more
            stream.flush()

    def end(number: int, frame: FrameType | None) -> None:
        os._exit(code)

    _handle(end)
    # The interpreter takes handlers of its own away before it takes the modules down, but not this.
    atexit.register(_handle, signal.SIG_IGN)


def _handle(handler: Any) -> None:
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handler)


@contextmanager
def terminated() -> Generator[None]:
    """Let SIGTERM and SIGHUP end a run as Ctrl-C does: what is finished stays, exit 130."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before: dict[int, Any] = {}
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        # `nohup` ignores the one, and a parent may have its own way with both.
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            before[number] = signal.signal(number, _interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class InterruptedRunError(TmError):
    """Ctrl-C, SIGTERM or SIGHUP ended the run."""

    exit_code = INTERRUPTED


def interrupted() -> TmError:
    """The error of a run that a signal ended; after this the process ends by its code.

    Python notes an interrupt that passes through an `exec` of text, of which every dataclass is
    made, and ends `python -m tm` by a SIGINT of its own even if it was caught; the next `exec` of
    text takes the note back (`run_eval_code_obj` and `Py_RunMain` of CPython).
    """
    exec("")
    return InterruptedRunError("interrupted; what is finished is kept, and the next run goes on")


def unexpected(error: Exception) -> TmError:
    """An error for what no code has foreseen; the traceback is kept in a file."""
    text = " ".join(str(error).split())
    if isinstance(error, OSError) and error.errno in OPEN_FILES:
        return TmError("too many files are open", hint="allow more with `ulimit -n 1024`")
    if isinstance(error, OSError) and error.errno in FULL:
        return TmError("no space is left on the disk", hint="free some space, then run again")
    if any(words in text for words in NO_MEMORY):
        return MemoryLimitError(
            f"out of memory: {text[:160]}",
            hint="use fewer workers, a smaller size, or in a training `--set batch=1`",
        )
    return TmError(
        f"{type(error).__name__}: {text[:160]}",
        hint=f"this is a fault of tm; its traceback is in `{_kept(error)}`",
    )


def _kept(error: Exception) -> Path:
    """Write the traceback where only this user reads it, for a report."""
    handle, name = tempfile.mkstemp(prefix="tm-traceback-", suffix=".txt")
    with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
        file.writelines(traceback.format_exception(error))
    return Path(name)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
