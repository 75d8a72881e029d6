"""The table `[networks]` of recipes: frozen networks by role."""

from pathlib import Path

import torch
from torch import nn

from engine.core.errors import RecipeError
from engine.core.table import Table
from engine.nets.named import DISTANCES, load_age_estimator, state_of
from engine.nets.protocols import AgeEstimator, weights_digest
from engine.weights.find import find_weights


def network_files(networks: Table) -> dict[str, Path]:
    """The weights files behind a `[networks]` table, by role; a run stands for what it delivers.

    `perceptual` may stand for several files, each under `perceptual/NAME`, or for none.
    """
    names = networks.dump()
    perceptual = DISTANCES.get(names.pop("perceptual", ""), ())
    names |= {f"perceptual/{name}": name for name in perceptual}
    return {role: find_weights(name) for role, name in names.items()}


def load_age_evaluator(
    name: str | None, *, of_losses: str | None, device: torch.device
) -> AgeEstimator | None:
    """The age estimator of a validation, None without a name; errors as of `load_age_estimator`.

    RecipeError if it is the very network of the losses: its estimates of what was trained
    on them are no measurement.
    """
    if name is None:
        return None
    if of_losses is not None and same_network(name, of_losses):
        raise RecipeError(
            f"`networks.age_evaluator` is the network of the losses, `{of_losses}`",
            hint="name an age network that is in no loss, or leave the evaluator out",
        )
    return load_age_estimator(name, device)


def same_network(one: str, other: str) -> bool:
    """Whether two names of weights stand for the same age network."""
    if one == other:
        return True
    first, second = (weights_digest(state_of(name, "age")) for name in (one, other))
    return first == second


def modules_of(readers: dict[str, object]) -> dict[str, nn.Module]:
    """The modules behind identity networks, age estimators, distances and the like, by role."""
    return {
        role: net
        for role, reader in readers.items()
        if isinstance(net := getattr(reader, "net", None), nn.Module)
    }
