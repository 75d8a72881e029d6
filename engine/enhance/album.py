"""Albums of many people at known ages: who, how old, and on which side of the split."""

import re
from pathlib import Path
from typing import NamedTuple

from pydantic import Field, field_validator

from engine.core.table import Table
from engine.data.ages import age_in_name
from engine.data.ffhq_aging import group_of
from engine.data.splits import held_out


class Place(NamedTuple):
    """Subject, age in years, age group and side of the split of a picture, from its path."""

    subject: str | None
    age: float | None
    age_group: int | None
    split: str | None


class Album(Table):
    """How the paths of an album are read."""

    subject: str | None = None
    """`folder` (the first below the source), or a regular expression on the path with the named
    groups `subject` and, if the path holds ages, `age`; subjects are unknown if absent."""
    test: float = Field(default=0.0, ge=0, lt=1)
    """Share of the subjects that go to the test side, with all of their pictures."""
    seed: int = 0
    raw: bool = False
    """The source is raw data: results may lie neither in it nor around it."""

    @field_validator("subject")
    @classmethod
    def _readable(cls, subject: str | None) -> str | None:
        if subject is None or subject == "folder":
            return subject
        try:
            named = re.compile(subject).groupindex
        except re.error as error:
            raise ValueError(f"`{subject}` is no regular expression: {error}") from None
        if "subject" not in named:
            raise ValueError("the expression needs a group `(?P<subject>...)`")
        return subject

    def place(self, path: Path) -> Place:
        """Parse the path of a picture relative to the source."""
        subject, age = None, age_in_name(path.name)
        if self.subject == "folder":
            subject = path.parts[0] if len(path.parts) > 1 else None
        elif self.subject is not None and (match := re.search(self.subject, path.as_posix())):
            subject = match["subject"]
            years = match.groupdict().get("age")
            age = age if years is None else float(years)
        group = None if age is None else group_of(age)  # CAF has the groups of FFHQ-Aging
        return Place(subject, age, group, None if subject is None else self.side(subject))

    def side(self, subject: str) -> str | None:
        """The side of the split of a subject, from its name alone; None without a split."""
        if not self.test:
            return None
        return "test" if held_out(f"{self.seed} {subject}", self.test) else "train"
