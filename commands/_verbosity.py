"""The options `--quiet` and `--verbose`, added to every subcommand."""

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any

from commands._console import Verbosity
from commands._options import Quiet, Verbose


def with_verbosity(run: Callable[..., None]) -> Callable[..., None]:
    """Give a subcommand the options `--quiet` and `--verbose`."""

    @wraps(run)
    def wrapped(*args: Any, quiet: bool, verbose: bool, **kwargs: Any) -> None:
        Verbosity.quiet, Verbosity.verbose = quiet, verbose
        run(*args, **kwargs)

    return with_options(wrapped, run, quiet=Quiet, verbose=Verbose)


def with_options(
    wrapped: Callable[..., None],
    run: Callable[..., None],
    *,
    default: object = False,
    **options: Any,
) -> Callable[..., None]:
    """`wrapped` with the signature of `run` and options after it: their annotations by name."""
    keyword = inspect.Parameter.KEYWORD_ONLY
    added = [
        inspect.Parameter(name, keyword, default=default, annotation=annotation)
        for name, annotation in options.items()
    ]
    signature = inspect.signature(run)
    wrapped.__signature__ = signature.replace(  # pyright: ignore[reportAttributeAccessIssue]
        parameters=[*signature.parameters.values(), *added]
    )
    wrapped.__annotations__ = {**run.__annotations__, **options}
    return wrapped
