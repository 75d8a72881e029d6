"""The option `--overwrite`, added to every subcommand that writes files of its user's choice."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from commands._options import Overwrite
from commands._verbosity import with_options


def with_overwrite(run: Callable[..., None]) -> Callable[..., None]:
    """Give a subcommand the option `--overwrite`."""

    @wraps(run)
    def wrapped(*args: Any, overwrite: bool, **kwargs: Any) -> None:
        from engine.core.held import overwriting

        with overwriting(overwrite):
            run(*args, **kwargs)

    return with_options(wrapped, run, overwrite=Overwrite)
