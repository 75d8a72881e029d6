"""Train and test photos: by content, in every age band, duplicates on the same side."""

from collections import defaultdict
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np

from engine.core.dry_run import checks_only
from engine.core.errors import InputError, UsageError
from engine.core.lock import locked
from engine.data.manifest import Row, ledger_of, read_manifest
from engine.data.splits import hash_fraction
from engine.faces.duplicates import kept_by_hash
from engine.prep.filter import picture_dhash

BAND = 5
"""Width in years of the age bands that are split one by one."""


@dataclass(frozen=True, slots=True)
class Group:
    """Pictures that may not be separated: one photo and its duplicates."""

    keys: tuple[str, ...]
    band: int
    draw: float


def split_rows(rows: Sequence[Row], *, test: float, seed: int) -> list[Row]:
    """The rows with `split` set: about `test` of each 5-year age band goes to the test side.

    Which ones is decided by a hash of their content and `seed`, so neither names nor the order of
    the folder matter. Rows that are not usable get no side. Raises UsageError for a share outside
    0..1, InputError if there is nothing to split.
    """
    if not 0 < test < 1:
        raise UsageError(f"the test share {test:g} is outside 0..1")
    groups = _groups(rows, seed)
    if len(groups) < 2:
        raise InputError("a split needs at least two different usable pictures")
    chosen = _choose(groups, test)
    return [
        row.model_copy(update={"split": _side(row, chosen) if row.usable else None}) for row in rows
    ]


def _hashed(folder: Path, rows: list[Row]) -> list[Row]:
    """The rows with the dHash of every usable picture, which a filter run computes, too."""
    return [
        row.model_copy(update={"dhash": picture_dhash(folder / str(row.output))})
        if row.usable and row.dhash is None
        else row
        for row in rows
    ]


def _groups(rows: Sequence[Row], seed: int) -> list[Group]:
    """Usable pictures grouped with their duplicates, in an order that depends on content alone."""
    usable = sorted((row for row in rows if row.usable), key=lambda row: str(row.sha256))
    members: dict[int, list[Row]] = defaultdict(list)
    for row, first in zip(usable, _first_of_duplicates(usable), strict=True):
        members[first].append(row)
    groups: list[Group] = []
    for same in members.values():
        digest = str(same[0].sha256)
        draw = hash_fraction(f"{seed} {digest}")
        ages = [row.age for row in same if row.age is not None]
        band = int(ages[0] // BAND) if ages else -1
        groups.append(Group(tuple(row.key for row in same), band, draw))
    return sorted(groups, key=lambda group: (group.band, group.draw))


def _first_of_duplicates(rows: Sequence[Row]) -> list[int]:
    """For each row the index of the first that is the same photo or, by its dHash, nearly so."""
    hashed = [index for index, row in enumerate(rows) if row.dhash is not None]
    codes = np.array([int(str(rows[index].dhash), 16) for index in hashed], np.uint64)
    kept_for = kept_by_hash(codes, np.arange(len(hashed)))
    first: dict[str, int] = {}
    representatives = [first.setdefault(str(row.sha256), index) for index, row in enumerate(rows)]
    for index, kept in zip(hashed, kept_for, strict=True):
        representatives[index] = min(representatives[index], representatives[hashed[kept]])
    return representatives


def _choose(groups: list[Group], test: float) -> set[str]:
    """The keys of the test side.

    Rounding is carried from band to band, so the whole keeps the share that no small band can;
    inside a band the lowest draws go, so a photo added later moves at most its neighbours.
    """
    chosen: set[str] = set()
    due = 0.0
    for _, band in groupby(groups, key=lambda group: group.band):
        members = list(band)
        due += test * sum(len(group.keys) for group in members)
        for group in members:
            if due < len(group.keys) / 2:
                break
            chosen.update(group.keys)
            due -= len(group.keys)
    # Both sides get a group, even where the share is too small or too large for so few pictures.
    by_draw = sorted(groups, key=lambda group: group.draw)
    if not chosen:
        chosen.update(by_draw[0].keys)
    if all(chosen.issuperset(group.keys) for group in groups):
        chosen.difference_update(by_draw[-1].keys)
    return chosen


def _side(row: Row, chosen: set[str]) -> str:
    return "test" if row.key in chosen else "train"


def split_folder(folder: Path, *, test: float, seed: int, write: bool) -> list[Row]:
    """Split a prepared folder; `write` puts the sides into its manifest, else it is only checked.

    Raises as `split_rows`, and InputError for a folder without a manifest.
    """
    rows = split_rows(_hashed(folder, read_manifest(folder)), test=test, seed=seed)
    with (
        nullcontext() if write else checks_only(),
        locked(folder),
        ledger_of(folder) as ledger,
    ):
        for row in rows:
            ledger.add(row.dump())
    return rows
