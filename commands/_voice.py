"""`-q` and `-v` for every subcommand, without each of them spelling it out."""

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any

from commands._console import Voice
from commands._options import Quiet, Verbose


def voiced(run: Callable[..., None]) -> Callable[..., None]:
    """Give a subcommand the options `--quiet` and `--verbose`."""

    @wraps(run)
    def spoken(*args: Any, quiet: bool, verbose: bool, **kwargs: Any) -> None:
        Voice.quiet, Voice.verbose = quiet, verbose
        run(*args, **kwargs)

    keyword = inspect.Parameter.KEYWORD_ONLY
    added = [
        inspect.Parameter("quiet", keyword, default=False, annotation=Quiet),
        inspect.Parameter("verbose", keyword, default=False, annotation=Verbose),
    ]
    signature = inspect.signature(run)
    spoken.__signature__ = signature.replace(  # pyright: ignore[reportAttributeAccessIssue]
        parameters=[*signature.parameters.values(), *added]
    )
    spoken.__annotations__ = {**run.__annotations__, "quiet": Quiet, "verbose": Verbose}
    return spoken
