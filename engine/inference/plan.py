"""The plan of a batch of re-ageing."""

from dataclasses import dataclass
from math import isfinite
from pathlib import Path

from pydantic import Field

from engine.core.digest import settings_digest
from engine.core.errors import UsageError
from engine.core.numbers import parse_number
from engine.core.table import Table
from engine.data.ages import AgeSource
from engine.data.faces import FaceSource
from engine.faces.choose import FaceChoice
from engine.inference.morph import Film

OLDEST, DECADE, SMALLEST_STEP = 120, 10, 0.1


class Morphing(Table):
    """How a film across the ages is made."""

    frames: int = Field(default=8, ge=1, le=240)
    """Pictures from one age to the next."""
    side: int = Field(default=512, ge=32)
    """Side in px: a film of the whole 1024 px would be large."""


@dataclass(frozen=True, slots=True)
class InferPlan:
    """The outputs of every photo; ages in years."""

    source: Path
    out: Path
    ages: tuple[float, ...]
    strength: float = 1.0
    size: int | None = None
    """Side of the portraits in px; the generator's if None."""
    coupled: bool = False
    strip: bool = False
    film: Film | None = None
    aligned: bool = False
    paste: bool = False
    force: bool = False
    evaluate: bool = True
    """Estimate age and identity of every portrait."""
    choice: FaceChoice = FaceChoice()
    faces: FaceSource = FaceSource()
    """How faces are found and their points fitted."""
    morphing: Morphing = Morphing()
    truth: Path | None = None
    """Folder of pictures of the very photograph at other ages, where those are known."""
    age: float | None = None
    """The person's age in the photo, in years, where the user said it."""
    known_ages: AgeSource = AgeSource()
    """Where the age in a photo is looked up else."""
    most: int | None = None
    """Photos of a folder that are aged, in order of their names; all if None."""
    settings: str = ""
    """Digest of the weights and of the recipe, for the ledger."""

    def __post_init__(self) -> None:
        if not self.ages:
            raise UsageError("no target age was given")
        names = [f"{age:g}" for age in self.ages]
        if len(set(names)) < len(names):
            raise UsageError(
                "two target ages have one name in files: " + ", ".join(map(str, self.ages)),
                hint="write ages with at most four digits behind the point",
            )
        for age in self.ages:
            if not 0 <= age <= OLDEST:
                raise UsageError(f"the target age {age:g} is outside 0..{OLDEST}")
        if self.age is not None and not 0 <= self.age <= OLDEST:
            raise UsageError(f"the age {self.age:g} of the person is outside 0..{OLDEST}")
        if not isfinite(self.strength):
            raise UsageError(f"the strength {self.strength:g} is not a finite number")

    @property
    def look(self) -> str:
        """Changes whenever the pictures themselves do, whatever else is written beside them."""
        names = ("strength", "size", "aligned", "choice", "faces", "age", "settings")
        return settings_digest({name: str(getattr(self, name)) for name in names})

    @property
    def digest(self) -> str:
        """Changes whenever a rerun would give other pictures."""
        names = [n for n in self.__dataclass_fields__ if n not in ("source", "out", "ages")]
        return settings_digest({name: str(getattr(self, name)) for name in names})


def parse_ages(text: str) -> tuple[float, ...]:
    """Target ages such as `20,40,60`, `20..80` by decades, or `20..80..5`, duplicates removed.

    UsageError for anything else.

    >>> parse_ages("18,20..50"), parse_ages("20..30..4")
    ((18.0, 20.0, 30.0, 40.0, 50.0), (20.0, 24.0, 28.0))
    """
    try:
        ages = [age for part in text.split(",") for age in _range(part)]
    except ValueError:
        hint = "write it as `20,40,60`, `20..80` or `20..80..5`"
        raise UsageError(f"`{text}` is no list of ages", hint=hint) from None
    return tuple(dict.fromkeys(ages))


def _range(text: str) -> list[float]:
    """One age, or those from the lowest to the highest; ValueError for anything else."""
    low, *rest = [parse_number(part) for part in text.split("..")]
    if not rest:
        return [low]
    high, step = (*rest, float(DECADE))[:2]
    if len(rest) > 2 or not 0 <= low <= high <= OLDEST or step < SMALLEST_STEP:
        raise ValueError(text)
    return [low + step * index for index in range(int((high - low) / step + 1e-9) + 1)]
