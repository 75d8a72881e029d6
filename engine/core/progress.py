"""The protocol by which long work reports its progress."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Protocol

from engine.core.dry_run import end_of_checks


class Progress(Protocol):
    """Receives the progress of long work, one bar at a time, and warnings for the user."""

    def begin(self, task: str, total: int) -> None:
        """Start a piece of work of `total` units."""
        ...

    def advance(self, note: str = "") -> None:
        """One more unit is done; `note` names it."""
        ...

    def end(self) -> None:
        """The piece of work begun last is over."""
        ...

    def remark(self, text: str) -> None:
        """Show the user a warning."""
        ...


class Silence:
    """A `Progress` that shows nothing."""

    def begin(self, task: str, total: int) -> None: ...

    def advance(self, note: str = "") -> None: ...

    def end(self) -> None: ...

    def remark(self, text: str) -> None: ...


@contextmanager
def reported(progress: Progress, task: str, total: int) -> Generator[None]:
    """Begin a piece of work, which ends a dry run; end it whatever happens inside."""
    end_of_checks()
    progress.begin(task, total)
    try:
        yield
    finally:
        progress.end()
