"""How far apart dlib sees different people of the portrait world: d0 of the contract's identity."""

import json
from functools import cache
from importlib.resources import files

from engine.metrics.strata import Stratum, stratum_of


def impostor_distance(person: int, age: float) -> float:
    """Mean dlib distance of strangers of one age band, sex and skin.

    person: the identity seed whose sex and skin count; age: years. Groups in which fewer than two
    people were measured have the distance of everyone.
    """
    groups, everyone = _table()
    return groups.get(stratum_of(person, age), everyone)


@cache
def _table() -> tuple[dict[Stratum, float], float]:
    told = json.loads(files("engine.evaluators").joinpath("impostors.json").read_text("utf-8"))
    groups = {
        Stratum(row["band"], row["sex"], row["skin"]): float(row["distance"])
        for row in told["groups"]
    }
    return groups, float(told["everyone"]["distance"])
