"""`_latest`, beside the runs of a folder: the way to the newest of them."""

import os
from contextlib import suppress
from pathlib import Path

from engine.core.atomic import write_text
from engine.core.errors import TmError
from engine.core.progress import Progress

LATEST = "_latest"


def point_to(run: Path, progress: Progress) -> None:
    """Make `_latest` beside a run lead to it: a relative link, or its name as text without links.

    A folder that somebody called `_latest` stays; where nothing can be written, that is only told.
    """
    run = Path(os.path.abspath(run))  # `.` has no name, and a link in the path is to stay one
    latest = run.with_name(LATEST)
    if latest.is_dir() and not latest.is_symlink():
        return
    partial = latest.with_name(f".{LATEST}.{os.getpid()}.partial")
    try:
        partial.symlink_to(run.name, target_is_directory=True)
        partial.replace(latest)
    except OSError:  # Windows without the right to make links, or a file system without any
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        try:
            write_text(latest, f"{run.name}\n")
        except TmError as error:
            progress.remark(f"{error}: nothing leads to the newest run")
