"""Strata of the portrait world: people of one age band, sex and skin."""

from typing import NamedTuple

from engine.worlds.portraits import Identity, identity

AGE_BANDS = ((0, 20), (20, 40), (40, 60), (60, 80), (80, 101))
"""Years, the upper end excluded."""
SKINS = ("light", "medium", "dark")
MEDIUM = 2 / 3
"""Melanin is uniform over [-2, 2]: a third of the people lies beyond this on either side."""


class Stratum(NamedTuple):
    """Age band, sex and skin of one picture."""

    band: str
    sex: str
    skin: str


def age_band(age: float) -> str:
    """The band of an age in years, as `20-39`.

    >>> age_band(39.5), age_band(95)
    ('20-39', '80-100')
    """
    for low, high in AGE_BANDS:
        if low <= age < high:
            return f"{low}-{high - 1}"
    raise ValueError(f"no age band holds {age:g} years")


def skin_of(person: Identity) -> str:
    """The third of the world's skin colours that a person belongs to."""
    melanin = person["melanin"]
    return SKINS[(melanin > -MEDIUM) + (melanin > MEDIUM)]


def stratum_of(seed: int, age: float) -> Stratum:
    """The stratum of a person, given by identity seed, at an age in years."""
    person = identity(seed)
    return Stratum(age_band(age), person.sex, skin_of(person))
