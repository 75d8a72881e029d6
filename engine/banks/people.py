"""People who must not be in a bank: the person of the photos, and the training set of the prior."""

from collections.abc import Collection
from pathlib import Path

from engine.banks.bank import Bank
from engine.core.errors import InputError
from engine.data.manifest import MANIFEST, read_manifest
from engine.worlds.portraits.seeds import TEST_START, TRAIN

SHOWN = 3


def people_in(folder: Path) -> set[str]:
    """The people in the manifest of a folder; empty without a manifest."""
    if not (folder / MANIFEST).is_file():
        return set()
    rows = read_manifest(folder)
    return {row.person for row in rows if row.usable and row.person is not None}


def people_of(bank: Bank) -> set[str]:
    """The people that a bank names."""
    return set(bank.facts.get("people", ()))


def require_impostors(bank: Bank, photos: Path) -> None:
    """InputError if a person of the photos is in the bank."""
    both = people_of(bank) & people_in(photos)
    if both:
        raise InputError(
            f"the bank holds {_listed(both)} of `{photos}`, who would be their own impostor",
            hint="build the bank of other people",
        )


def warnings_of(bank: Bank) -> list[str]:
    """Warnings about people of the portrait world in a bank, one sentence each."""
    seeds = {person: int(person) for person in people_of(bank) if person.isdecimal()}
    trained = {person for person, seed in seeds.items() if seed in TRAIN}
    held_out = {person for person, seed in seeds.items() if seed >= TEST_START}
    warnings: list[str] = []
    if trained:
        warnings.append(f"the bank holds {_listed(trained)} of the prior's training set")
    if held_out:
        warnings.append(f"the bank holds {_listed(held_out)} of the test set")
    return warnings


def _listed(people: Collection[str]) -> str:
    """Some of them by name, and the number of the others.

    >>> _listed({"3"}), _listed({"1", "2", "3", "4", "5"})
    ('person 3', 'people 1, 2, 3 and 2 more')
    """
    names = sorted(people)
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{'people' if len(names) > 1 else 'person'} {', '.join(names[:SHOWN])}{more}"
