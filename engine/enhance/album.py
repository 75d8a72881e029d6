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
    """What the path of a picture says of it."""

    subject: str | None
    age: float | None
    age_group: int | None
    split: str | None


class Album(Table):
    """How the paths of an album are read."""

    subject: str | None = None
    """`folder` (the first below the source), or a regular expression on the path with the named
    groups `subject` and, if ages stand there, `age`; nobody is told apart if absent."""
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
        """Read the path of a picture, seen from the source."""
        subject, age = None, age_in_name(path.name)
        if self.subject == "folder":
            subject = path.parts[0] if len(path.parts) > 1 else None
        elif self.subject is not None and (found := re.search(self.subject, path.as_posix())):
            subject = found["subject"]
            told = found.groupdict().get("age")
            age = age if told is None else float(told)
        group = None if age is None else group_of(age)  # CAF has the groups of FFHQ-Aging
        return Place(subject, age, group, None if subject is None else self.side(subject))

    def side(self, subject: str) -> str | None:
        """The side of the split a subject is on, whoever else there is; None without a split."""
        if not self.test:
            return None
        return "test" if held_out(f"{self.seed} {subject}", self.test) else "train"
