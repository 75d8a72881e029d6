"""`_latest` in a folder of runs: a link to the newest."""

import os
from contextlib import suppress
from pathlib import Path

from engine.core.atomic import write_text
from engine.core.errors import TmError
from engine.core.progress import Progress

LATEST = "_latest"


def link_latest(run: Path, progress: Progress) -> None:
    """Make `_latest` beside a run a relative link to it, or a text file with its name.

    A user's own folder `_latest` stays; a remark where nothing can be written.
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
            progress.remark(f"{error}: there is no link to the newest run")
