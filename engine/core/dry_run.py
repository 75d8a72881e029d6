"""A dry run is the real run up to its first piece of work or its first write.

So it makes every check of the real one, and there is nothing to keep in step with it.
"""

from collections.abc import Generator
from contextlib import contextmanager

_dry = [False]


class ChecksPassedError(BaseException):
    """Ends a dry run where the real one would begin to work or to write; no fault."""


@contextmanager
def checks_only() -> Generator[None]:
    """Run what is inside up to `end_of_checks`; what it raises before is raised here."""
    before, _dry[0] = _dry[0], True
    try:
        yield
    except ChecksPassedError:
        return
    finally:
        _dry[0] = before


def is_dry() -> bool:
    """Whether `checks_only` is in effect."""
    return _dry[0]


def end_of_checks() -> None:
    """Called before anything is written, and before every long piece of work."""
    if _dry[0]:
        raise ChecksPassedError
