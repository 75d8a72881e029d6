"""The option `--cluster`, added to every subcommand that works through a folder of pictures."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from commands._options import Cluster
from commands._verbosity import with_options


def with_cluster(run: Callable[..., None]) -> Callable[..., None]:
    """Give a subcommand the option `--cluster`."""

    @wraps(run)
    def wrapped(*args: Any, cluster: str | None, **kwargs: Any) -> None:
        if cluster is None:
            run(*args, **kwargs)
            return
        from engine.runtime.cluster import on_cluster

        with on_cluster(cluster):
            run(*args, **kwargs)

    return with_options(wrapped, run, default=None, cluster=Cluster)
