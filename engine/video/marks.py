"""The file that says a segment is whole, with the estimates of its frames: checked before use."""

from pathlib import Path

from pydantic import ValidationError

from engine.core.jsontext import from_json
from engine.core.regular import open_regular
from engine.core.table import Table


class Estimate(Table):
    """Age and identity in one frame at one target age, as in a row of the ledger."""

    frame: int
    age: float
    predicted_age: float | None
    age_by: str | None = None
    identity: float | None
    identity_by: str | None = None
    identity_reconstruction: float | None = None
    identity_d0: float | None = None
    identity_d0_of: str | None = None
    why_null: str | None = None


class Mark(Table):
    """What the file of a whole segment holds."""

    estimates: tuple[Estimate, ...]


def is_mark(path: Path) -> bool:
    """Whether a file is a mark, and not cut short, edited or of another kind."""
    try:
        with open_regular(path) as file:
            Mark.model_validate(from_json(file.read()))
    except (OSError, ValueError, ValidationError):
        return False
    return True
