"""Who must not be in a bank: the person whose impostors it holds, and people met before."""

from collections.abc import Collection
from pathlib import Path

from engine.banks.bank import Bank
from engine.core.errors import InputError
from engine.data.manifest import MANIFEST, read_manifest
from engine.worlds.portraits.seeds import TEST_START, TRAIN

SHOWN = 3


def people_in(folder: Path) -> set[str]:
    """The people that the manifest of a folder names; nobody where nothing tells."""
    if not (folder / MANIFEST).is_file():
        return set()
    rows = read_manifest(folder)
    return {row.person for row in rows if row.usable and row.person is not None}


def people_of(bank: Bank) -> set[str]:
    """The people that a bank knows to be in it."""
    return set(bank.facts.get("people", ()))


def require_impostors(bank: Bank, photos: Path) -> None:
    """InputError if a person of the photos is in the bank: nobody is their own impostor."""
    both = people_of(bank) & people_in(photos)
    if both:
        raise InputError(
            f"the bank holds {_told(both)} of `{photos}`, who would be pushed away from themself",
            hint="build the bank of other people",
        )


def doubts(bank: Bank) -> list[str]:
    """What is wrong with people of the portrait world in a bank, a sentence each."""
    seeds = {person: int(person) for person in people_of(bank) if person.isdecimal()}
    taught = {person for person, seed in seeds.items() if seed in TRAIN}
    tested = {person for person, seed in seeds.items() if seed >= TEST_START}
    told: list[str] = []
    if taught:
        told.append(f"the bank holds {_told(taught)}, whom the prior may have learned from")
    if tested:
        told.append(f"the bank holds {_told(tested)}, kept for tests alone")
    return told


def _told(people: Collection[str]) -> str:
    """A few of them by name, and how many more.

    >>> _told({"3"}), _told({"1", "2", "3", "4", "5"})
    ('person 3', 'people 1, 2, 3 and 2 more')
    """
    names = sorted(people)
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{'people' if len(names) > 1 else 'person'} {', '.join(names[:SHOWN])}{more}"
