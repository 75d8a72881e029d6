"""Which licences the weights of a command may have: any, or only permissive ones."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from typing import Literal

from engine.core.errors import MissingWeightsError, UsageError

LICENCES = "TM_LICENCES"
"""The environment's own choice, which holds for every command and the processes it starts."""
Licences = Literal["any", "permissive"]


class LicenceError(MissingWeightsError):
    """Weights are here, but not on terms that the recipe or the environment accepts."""


@contextmanager
def licensed(licences: Licences) -> Generator[None]:
    """Accept only such weights meanwhile, in this process and in those it starts."""
    before = os.environ.get(LICENCES)
    if licences == "permissive":
        os.environ[LICENCES] = licences
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(LICENCES, None)
        else:
            os.environ[LICENCES] = before


def only_permissive() -> bool:
    """Whether weights must be under a permissive licence; UsageError for a value of no meaning."""
    chosen = os.environ.get(LICENCES, "any")
    if chosen not in ("", "any", "permissive"):
        raise UsageError(f"{LICENCES} is `any` or `permissive`, not `{chosen}`")
    return chosen == "permissive"


def require_permissive(name: str, licence: str | None, *, instead: str | None = None) -> None:
    """LicenceError for weights with this licence, where only permissive ones are accepted.

    licence: None if it is permissive; instead: what to do without these weights.
    """
    if licence is not None and only_permissive():
        raise LicenceError(
            f"`{name}` is not permissively licensed ({licence}), and `licences` is `permissive`",
            hint=instead or "name other weights, or accept these by `--set licences=any`",
        )
