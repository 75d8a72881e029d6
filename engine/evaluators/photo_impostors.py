"""d0 of identity on photographs: dlib's mean distance between different people like the one shown.

Measured by `benchmarks/impostors.py` on public-domain portraits of adults of 25 to 93; only these
statistics ship. Age and sex change it most: men under 45 are .81 apart, men over 74 .75, women of
60 to 74 .71; cheeks of another lightness change it by .01 or .02.
"""

import json
from functools import cache
from importlib.resources import files
from math import inf
from typing import NamedTuple

EVERYONE = "everyone"
FILE = "photo-impostors.json"
LEAST_PAIRS = 30
"""Pairs of different people under which a cell gives way to a coarser one."""
BANDS = ((0, 45), (45, 60), (60, 75), (75, inf))
"""Years, the upper end excluded."""
LIGHTNESSES = (("dark", 0.0, 50.0), ("medium", 50.0, 60.0), ("light", 60.0, 101.0))
"""CIE L* of the cheeks, the upper end excluded: 7 % of the portraits are dark, 26 % medium."""


class Cell(NamedTuple):
    """People of one sex, age band and cheek lightness; None is any."""

    sex: str | None = None
    band: str | None = None
    lightness: str | None = None

    @property
    def name(self) -> str:
        """The cell in words.

        >>> Cell("male", "60-74", "light").name, Cell("female").name, Cell().name
        ('male, 60-74, light', 'female', 'everyone')
        """
        return ", ".join(part for part in self if part is not None) or EVERYONE

    def coarser(self) -> "list[Cell]":
        """This cell and those it falls back to: without lightness, then without age, then all.

        >>> [cell.name for cell in Cell("male", "60-74", "light").coarser()]
        ['male, 60-74, light', 'male, 60-74', 'male', 'everyone']
        """
        chain = [self, self._replace(lightness=None), Cell(self.sex), Cell()]
        return list(dict.fromkeys(chain))


class Impostors(NamedTuple):
    """d0, and the cell of people that it was measured on."""

    distance: float
    cell: str


def cell_of(age: float, sex: str | None, lightness: float | None) -> Cell:
    """The cell of a person of an age in years, `female` or `male`, and CIE L* of the cheeks.

    >>> cell_of(61, "male", 48.0)
    Cell(sex='male', band='60-74', lightness='dark')
    """
    band = next(at for at, (_, high) in enumerate(BANDS) if age < high)
    light = None
    if lightness is not None:
        light = next(name for name, _, high in LIGHTNESSES if lightness < high)
    return Cell(sex, band_name(band), light)


def band_name(number: int) -> str:
    """The name of an age band.

    >>> [band_name(number) for number in range(4)]
    ['under 45', '45-59', '60-74', 'over 74']
    """
    low, high = BANDS[number]
    if low == 0:
        return f"under {high}"
    return f"over {low - 1}" if high == inf else f"{low}-{high - 1}"


def photo_impostors(
    age: float, sex: str | None = None, lightness: float | None = None
) -> Impostors:
    """d0 for a person of an age in years, `female` or `male`, and CIE L* of the cheeks.

    What is None is left out of the cell.
    """
    return impostors_of(cell_of(age, sex, lightness))


def impostors_of(cell: Cell) -> Impostors:
    """d0 of a cell that has 30 pairs, else of the finest coarser one that has them."""
    cells = _cells()
    for one in cell.coarser():
        distance, pairs = cells.get(one, (0.0, 0))
        if pairs >= LEAST_PAIRS:
            return Impostors(distance, one.name)
    raise AssertionError(f"{FILE} lacks everyone")


@cache
def _cells() -> dict[Cell, tuple[float, int]]:
    table = json.loads(files("engine.evaluators").joinpath(FILE).read_text("utf-8"))
    return {
        Cell(row["sex"], row["band"], row["lightness"]): (float(row["distance"]), int(row["pairs"]))
        for row in table["cells"]
    }
