"""The table `[networks]` of recipes: frozen networks by role."""

from pathlib import Path

from torch import nn

from engine.core.table import Table
from engine.nets.named import DISTANCES
from engine.trainings.age_evaluators import evaluator_files
from engine.weights.find import find_weights


def network_files(networks: Table) -> dict[str, Path]:
    """The weights files behind a `[networks]` table, by role; a run stands for what it delivers.

    `perceptual` may stand for several files, each under `perceptual/NAME`, or for none.
    """
    names = networks.dump()
    perceptual = DISTANCES.get(names.pop("perceptual", ""), ())
    names |= {f"perceptual/{name}": name for name in perceptual}
    evaluator = names.pop("age_evaluator", None)
    files = {} if evaluator is None else evaluator_files(evaluator)
    return {role: find_weights(name) for role, name in names.items()} | files


def modules_of(readers: dict[str, object]) -> dict[str, nn.Module]:
    """The modules behind identity networks, age estimators, distances and the like, by role."""
    return {
        role: net
        for role, reader in readers.items()
        if isinstance(net := getattr(reader, "net", None), nn.Module)
    }
