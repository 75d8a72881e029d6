"""What long work reports upward; the engine knows no terminal."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Protocol


class Progress(Protocol):
    """Receives the state of long work: one bar at a time, and remarks for the user."""

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
        """Something the user should know now, such as a warning."""
        ...


class Silence:
    """A `Progress` that keeps everything to itself."""

    def begin(self, task: str, total: int) -> None: ...

    def advance(self, note: str = "") -> None: ...

    def end(self) -> None: ...

    def remark(self, text: str) -> None: ...


@contextmanager
def reported(progress: Progress, task: str, total: int) -> Generator[None]:
    """Begin a piece of work and end it whatever happens inside."""
    progress.begin(task, total)
    try:
        yield
    finally:
        progress.end()
