"""Every error that a user can meet, with a hint of what to try next and an exit code."""

from collections.abc import Sequence
from typing import Literal


class TmError(Exception):
    """An error in one sentence, with an optional hint of what to try next."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class UsageError(TmError):
    """The request itself cannot be served: a wrong path, a locked folder, a value out of range."""

    exit_code = 2


class RecipeError(TmError):
    """A recipe that cannot be used; the message lists all of its faults."""

    exit_code = 2

    def __init__(
        self, message: str, *, hint: str | None = None, faults: Sequence[str] = ()
    ) -> None:
        super().__init__("\n  ".join([message, *faults]), hint=hint)
        self.faults = tuple(faults)


class InputError(TmError):
    """No usable picture or face in what was given."""

    exit_code = 3


class WeightsError(TmError):
    """A weights file is missing, damaged or of another network."""

    exit_code = 4


class MissingWeightsError(WeightsError):
    """Weights that tm knows and that are not on this machine."""


class DiskError(TmError):
    """Writing failed for a reason that no retry will fix, such as a full disk."""

    exit_code = 1


class MemoryLimitError(TmError):
    """There is less memory than the work needs."""

    exit_code = 5


class PictureError(Exception):
    """One picture of a batch cannot be used; the batch records the reason and goes on.

    `status` is `failed` for what could not be read and `skipped` for what holds nothing to use.
    """

    def __init__(self, reason: str, *, status: Literal["skipped", "failed"] = "failed") -> None:
        super().__init__(reason)
        self.reason = reason
        self.status: Literal["skipped", "failed"] = status
