"""d0 of identity in the portrait world: dlib's mean distance between different people."""

import json
from functools import cache
from importlib.resources import files

from engine.metrics.strata import Stratum, stratum_of


def impostor_distance(person: int, age: float) -> float:
    """Mean dlib distance between different people of one age band, sex and skin.

    person: the identity seed that has this sex and skin; age: years. Groups of fewer than two
    people have the distance of everyone.
    """
    groups, everyone = _table()
    return groups.get(stratum_of(person, age), everyone)


@cache
def _table() -> tuple[dict[Stratum, float], float]:
    table = json.loads(files("engine.evaluators").joinpath("impostors.json").read_text("utf-8"))
    groups = {
        Stratum(row["band"], row["sex"], row["skin"]): float(row["distance"])
        for row in table["groups"]
    }
    return groups, float(table["everyone"]["distance"])
