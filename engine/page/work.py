"""Long work of the page: in a process of its own, which tells how far it is and can be ended."""

import multiprocessing
import time
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from threading import Event
from typing import Any

from engine.core.errors import PictureError, TmError
from engine.runtime.orphans import die_with_parent

LONGEST = 1800.0
"""Seconds after which a piece of work is ended."""
GRACE = 3.0
"""Seconds that a process gets to end by itself."""
LOOK = 0.2
"""Seconds between two looks whether it is to be cancelled."""
Report = Callable[[str, int, int], None]
"""Receives the name of a piece of work, the units that are done, and their number."""


class CancelledError(TmError):
    """The browser ended the work."""


class Listener:
    """An `engine.core.progress.Progress` that counts, tells, and keeps the remarks."""

    def __init__(self, report: Report) -> None:
        self.report, self.task, self.done, self.total = report, "", 0, 0
        self.remarks: list[str] = []

    def begin(self, task: str, total: int) -> None:
        self.task, self.done, self.total = task, 0, total
        self.report(task, 0, total)

    def advance(self, note: str = "") -> None:
        self.done += 1
        self.report(self.task, self.done, self.total)

    def end(self) -> None: ...

    def remark(self, text: str) -> None:
        self.remarks.append(text)


def apart(
    work: Callable[..., Any], arguments: Mapping[str, Any], report: Report, cancelled: Event
) -> tuple[Any, list[str]]:
    """What `work(**arguments, progress=...)` returns in a process of its own, and its remarks.

    Raises CancelledError once `cancelled` is set, TmError for what work raises.
    """
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_run, args=(work, dict(arguments), there), daemon=False)
    process.start()
    there.close()
    ends = time.monotonic() + LONGEST
    try:
        while True:
            if cancelled.is_set():
                raise CancelledError("cancelled")
            if time.monotonic() > ends:
                raise TmError(f"this took more than {LONGEST / 60:g} minutes and was ended")
            if not here.poll(LOOK):
                continue
            match here.recv():
                case "progress", (task, done, total):
                    report(task, done, total)
                case "error", (text, hint):
                    raise TmError(text, hint=hint)
                case _, answer:
                    return answer
    except EOFError:
        raise TmError("its process ended: memory may have run out") from None
    finally:
        process.terminate()
        process.join(GRACE)
        if process.is_alive():  # a training ends its step first
            process.kill()
            process.join()
        here.close()


def _run(work: Callable[..., Any], arguments: dict[str, Any], pipe: Connection) -> None:
    """The other process."""
    die_with_parent()
    try:
        listener = Listener(lambda *done: pipe.send(("progress", done)))
        pipe.send(("result", (work(**arguments, progress=listener), listener.remarks)))
    except PictureError as error:
        pipe.send(("error", (error.reason, None)))
    except TmError as error:
        pipe.send(("error", (str(error), error.hint)))
    except Exception as error:  # of ours: the page says it, the traceback goes to the terminal
        pipe.send(("error", (f"{type(error).__name__}: {error}", None)))
        raise
