"""What is known of the person in a photograph: age, name and sex, by labels, manifest or name."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from engine.core.errors import UsageError
from engine.core.numbers import OLDEST
from engine.core.regular import real
from engine.data.ages import age_in_name
from engine.data.csv_table import PATH_COLUMNS, read_csv
from engine.data.manifest import MANIFEST, Row, read_manifest

LEVELS = 3
"""Folders above a photo that are searched for its manifest."""
SEXES = {"m": "male", "male": "male", "man": "male", "f": "female", "female": "female"}
SEXES |= {"w": "female", "woman": "female", "": None}
COLUMNS = ("age", "person", "sex")
AGED = re.compile(r"(?P<photo>.+)_age(?P<years>\d{1,3}(?:\.\d+)?)")
"""Names that `tm infer` gives: `eve_age65`."""


@dataclass(frozen=True, slots=True)
class PhotoFacts:
    """Age in years, the person's name, `female` or `male`; None where unknown.

    aligned: the picture is an aligned face, as its manifest says.
    """

    age: float | None = None
    person: str | None = None
    sex: str | None = None
    aligned: bool = False

    def agreed(self, other: "PhotoFacts") -> "PhotoFacts":
        """What both say."""
        return PhotoFacts(
            self.age if self.age == other.age else None,
            self.person if self.person == other.person else None,
            self.sex if self.sex == other.sex else None,
        )


@dataclass(frozen=True, slots=True)
class KnownFacts:
    """Facts of photographs: those of a CSV go before those of manifests, these before names.

    by_path: of the CSV, by resolved path; by_name: by file names, what all rows of a name agree on;
    manifests: the rows of each folder's manifest, once read.
    """

    by_path: Mapping[Path, PhotoFacts] = field(default_factory=dict[Path, PhotoFacts])
    by_name: Mapping[str, PhotoFacts] = field(default_factory=dict[str, PhotoFacts])
    manifests: dict[Path, Mapping[Path, Row]] = field(
        default_factory=dict[Path, Mapping[Path, Row]]
    )

    @classmethod
    def read(cls, labels: Path | None) -> "KnownFacts":
        """From a CSV with a column of paths and any of `age`, `person`, `sex`; UsageError says
        which line is faulty. Paths are relative to the CSV's folder.
        """
        if labels is None:
            return cls()
        table = read_csv(labels, "the labels in")
        column = table.path_column
        if column is None or not set(COLUMNS) & set(table.columns):
            raise UsageError(
                f"`{labels}` needs a column of {', '.join(PATH_COLUMNS)} and one of "
                f"{', '.join(COLUMNS)}",
                hint="its first line names the columns, such as `path,person,sex,age`",
            )
        by_path: dict[Path, PhotoFacts] = {}
        by_name: dict[str, PhotoFacts] = {}
        for line, row in table.rows:
            facts = _of_row(row, f"line {line} of `{labels}`")
            path = Path(row[column])
            by_path[real(labels.parent / path)] = facts
            by_name[path.name] = facts.agreed(by_name.get(path.name, facts))
        return cls(by_path, by_name)

    def of(self, path: Path) -> PhotoFacts:
        """The facts of a photograph; InputError or UsageError for a damaged manifest."""
        resolved = real(path)
        noted = self._noted(resolved)
        listed = self.by_path.get(resolved, self.by_name.get(path.name, PhotoFacts()))
        age = listed.age if listed.age is not None else noted.age
        return PhotoFacts(
            age=age if age is not None else age_by_name(path),
            person=listed.person if listed.person is not None else noted.person,
            sex=listed.sex if listed.sex is not None else noted.sex,
            aligned=noted.aligned,
        )

    def _noted(self, path: Path) -> PhotoFacts:
        """By the manifest of a folder above."""
        for folder in path.parents[:LEVELS]:
            row = self._rows(folder).get(path)
            if row is not None:
                noted = {**(row.truth or {}), **(row.model_extra or {})}
                sex = SEXES.get(str(noted.get("sex", "")).lower())
                return PhotoFacts(row.age, row.person, sex, row.quad is not None)
        return PhotoFacts()

    def _rows(self, folder: Path) -> Mapping[Path, Row]:
        if folder not in self.manifests:
            rows = read_manifest(folder) if (folder / MANIFEST).is_file() else []
            self.manifests[folder] = {real(folder / row.output): row for row in rows if row.output}
        return self.manifests[folder]


def age_by_name(path: Path) -> float | None:
    """The age at the head of a name, or behind `_age` at its end; None without any.

    >>> age_by_name(Path("30_11.png")), age_by_name(Path("eve_age65.png")), age_by_name(Path("eve"))
    (30.0, 65.0, None)
    """
    aged = AGED.fullmatch(path.stem)
    if aged is not None and float(aged["years"]) <= OLDEST:
        return float(aged["years"])
    return age_in_name(path.name)


def _of_row(row: Mapping[str, str], where: str) -> PhotoFacts:
    facts = PhotoFacts(person=row.get("person") or None)
    sex = row.get("sex", "").lower()
    if sex not in SEXES:
        raise UsageError(f"{where}: `{row['sex']}` is no sex", hint="write `female` or `male`")
    facts = replace(facts, sex=SEXES[sex])
    if not row.get("age"):
        return facts
    try:
        years = float(row["age"])
    except ValueError:
        years = -1.0
    if not 0 <= years <= OLDEST:
        raise UsageError(f"{where}: `{row['age']}` is not an age")
    return replace(facts, age=years)
