"""Warnings about a set of photos before anybody trains on it."""

from collections.abc import Sequence
from pathlib import Path

from pydantic import Field

from engine.core.table import Table
from engine.data.ages import age_in_name
from engine.data.manifest import Row


class Advice(Table):
    """The limits below which a set of photos is too small to learn a person's ageing from."""

    fewest_photos: int = Field(default=20, ge=0)
    narrowest_span: float = Field(default=10.0, ge=0)
    """Years between the youngest and the oldest photo."""


def advise(rows: Sequence[Row], advice: Advice) -> list[str]:
    """Warnings about the usable pictures among `rows`, none if they suffice."""
    usable = [row for row in rows if row.usable]
    ages = [row.age for row in usable if row.age is not None]
    warnings: list[str] = []
    if not usable:
        return warnings  # the report gives the reasons
    if len(usable) < advice.fewest_photos:
        few = "1 usable picture is" if len(usable) == 1 else f"{len(usable)} usable pictures are"
        warnings.append(f"{few} few to learn a person from; {advice.fewest_photos} or more help")
    if len(ages) < len(usable):
        warnings.append(
            f"the age is unknown in {len(usable) - len(ages)} of {len(usable)} pictures; name them "
            "`{age}_{number}`, or give a table of ages or the date of birth"
        )
    named = {row.key: age_in_name(Path(str(row.source)).name) for row in usable}
    other = [
        row
        for row in usable
        if row.age is not None
        and row.age_by == "csv"
        and (years := named[row.key]) is not None
        and abs(years - row.age) >= 1
    ]
    if other:
        warnings.append(
            f"{len(other)} pictures have another age in the table than in their name, such as "
            f"`{other[0].source}` ({other[0].age:g} in the table, which is taken)"
        )
    if ages and max(ages) - min(ages) < advice.narrowest_span:
        warnings.append(
            f"the ages span {min(ages):g} to {max(ages):g}, less than {advice.narrowest_span:g} "
            "years: they hardly show how the person ages"
        )
    return warnings
