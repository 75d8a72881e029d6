"""Work for processes of the page: what it returns, how it fails, and that it can be ended."""

import os
import time

from engine.core.errors import PictureError, UsageError


def count(*, to, progress):
    """Report every step, and remark on the last."""
    progress.begin("Counting", to)
    for _ in range(to):
        progress.advance()
    progress.remark("counted")
    return {"sum": to}


def fail(*, how, progress):
    """Fail in one of the ways there are."""
    match how:
        case "usage":
            raise UsageError("no such thing", hint="try another")
        case "picture":
            raise PictureError("is empty")
        case "die":
            os._exit(9)
    raise KeyError(how)


def last(*, note, progress):
    """Note the process, and never end."""
    note.write_text(str(os.getpid()))
    time.sleep(600)
