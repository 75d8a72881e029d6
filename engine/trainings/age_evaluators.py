"""Age estimators of validations: any of `tm relabel` or `tm eval` that is in no loss."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from engine.core.errors import RecipeError
from engine.core.table import Table
from engine.experts.base import EXPERTS, Expert, ExpertTable, Faces
from engine.images.ranges import to_pixels
from engine.nets.architectures import architecture_of
from engine.nets.named import AGE_ESTIMATORS, DISTANCES, load_age_estimator, state_of
from engine.nets.photos.estimator import OFFSET, SLOPE
from engine.nets.protocols import AgeEstimator, weights_digest
from engine.weights.find import find_weights
from engine.weights.load import read_checkpoint

LINES = {"age-cc0": (SLOPE, OFFSET)}
"""Slope and offset in years from an expert's estimates to corrected ones, by kind."""
KINDS = {"nano-age-ordinal": "nano-ordinal", "nano-age-tokens": "nano-tokens"}
"""Experts by the name of their weights in the package, where the two differ."""


@dataclass(frozen=True, slots=True, eq=False)
class ExpertEstimator:
    """An expert of `tm relabel` on aligned portraits; no gradients pass.

    line: slope and offset of its correction.
    """

    name: str
    expert: Expert
    line: tuple[float, float] = (1.0, 0.0)

    @property
    def net(self) -> nn.Module | None:
        """The network, where it is one alone."""
        return getattr(self.expert, "net", None)

    @torch.no_grad()
    def years(self, pictures: Tensor) -> Tensor:
        """Aligned portraits (b, 3, s, s) in [-1, 1] to ages (b,); NaN where it estimates none."""
        slope, offset = self.line
        predicted = self.expert.predict(Faces([to_pixels(picture) for picture in pictures]))
        return (slope * predicted.years + offset).to(pictures.device)


def load_age_evaluator(
    name: str | None, *, networks: Table, device: torch.device
) -> AgeEstimator | None:
    """The age estimator of a validation, None without a name; errors as of `load_age_estimator`.

    name: an expert by its kind (`age-cc0`, `mivolo`, `faceres`, ...), or an age network by its
    name, run or file; networks: the recipe's table. RecipeError if it is a network of the losses:
    its estimates of what was trained on them are no measurement.
    """
    if name is None:
        return None
    for loss in age_networks_of_losses(networks):
        if same_network(name, loss):
            raise RecipeError(
                f"`networks.age_evaluator` is a network of the losses, `{loss}`",
                hint="name an age network that is in no loss, or leave the evaluator out",
            )
    table = _expert(name)
    if table is None:
        return load_age_estimator(name, device)
    return ExpertEstimator(table.name, table.load(device), LINES.get(table.kind, (1.0, 0.0)))


def age_networks_of_losses(networks: Table) -> list[str]:
    """The age networks of a `[networks]` table: that of the age loss, and any in the distance."""
    names = networks.dump()
    own = [names["age"]] if names.get("age") is not None else []
    return own + [n for n in DISTANCES.get(names.get("perceptual", ""), ()) if n in AGE_ESTIMATORS]


def same_network(one: str, other: str) -> bool:
    """Whether two names of weights stand for the same age network.

    An expert is the network of a loss where it reads the same weights; those that only `tm relabel`
    reads are in no loss.
    """
    names = [_table(name).weights if _is_kind(name) else name for name in (one, other)]
    if names[0] == names[1]:
        return True
    if any(
        _is_kind(n) and w not in AGE_ESTIMATORS for n, w in zip((one, other), names, strict=True)
    ):
        return False
    first, second = (weights_digest(state_of(name, "age")) for name in names)
    return first == second


def evaluator_files(name: str) -> dict[str, Path]:
    """The weights files of an age evaluator by role; those of a folder under their names."""
    path = _table(name).path() if _is_kind(name) else find_weights(name)
    if not path.is_dir():
        return {"age_evaluator": path}
    return {f"age_evaluator/{file.name}": file for file in sorted(path.glob("*.safetensors"))}


def _is_kind(name: str) -> bool:
    """Whether a name is that of an expert; what lies at such a path goes first."""
    return name in EXPERTS and not Path(name).expanduser().exists()


def _expert(name: str) -> ExpertTable | None:
    """The expert that reads weights, None where they are those of an estimator of losses."""
    if name in AGE_ESTIMATORS:
        return None
    if _is_kind(name):
        return _table(name)
    kind = KINDS.get(name)
    if kind is None:
        checkpoint = read_checkpoint(find_weights(name))
        held = checkpoint.kind
        if held not in EXPERTS:
            held = architecture_of(checkpoint.part("age"), "age").name
            held = KINDS.get(held, "")
        kind = held
    return _table(kind, weights=name) if kind in EXPERTS else None


def _table(kind: str, **settings: str) -> ExpertTable:
    return EXPERTS[kind].model_validate({"kind": kind, **settings})
