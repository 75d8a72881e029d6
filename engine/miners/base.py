"""The interface of a miner, and its table in a recipe."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple, cast

import torch
from pydantic import Field, SerializeAsAny
from torch import Tensor

from engine.banks.bank import Bank
from engine.core.numbers import Span
from engine.core.registry import Registry
from engine.core.table import Table, fault_of, one_of
from engine.miners.age_rows import Reach
from engine.miners.profiles import PROFILES
from engine.runtime.draws import Draws

MINERS: Registry["MinerChoice"] = Registry("miner", package="engine.miners")

QUANTILES = {"sim_p50": 0.5, "sim_p75": 0.75, "sim_p90": 0.9}


class Mined(NamedTuple):
    """The impostors of a batch, padded to k.

    embeddings: (b, k, width), zero in the padding; mask: bool (b, k), false in the padding, which
    comes last; k_effective: int64 (b,), how many there are; metrics: scalars on the device.
    """

    embeddings: Tensor
    mask: Tensor
    k_effective: Tensor
    metrics: dict[str, Tensor]


class Miner(ABC):
    """Samples impostors on the device of its bank, without synchronising with the host."""

    @abstractmethod
    def mine(self, anchors: Tensor, ages: Tensor, draws: Draws) -> Mined:
        """Impostors for unit embeddings (b, width) at ages (b,) in years, k for each."""


class MinerChoice(Table, ABC):
    """The settings of a miner; `build` adds the bank."""

    kind: str
    k: int = Field(default=64, ge=1)
    """Impostors per face."""
    radius: int = Field(default=0, ge=0)
    """Age bins on each side of that of the target age."""
    widest: int = Field(default=1, ge=0)
    """Largest `radius` where too few impostors are within it."""
    ages: Span | None = None
    """The target ages that occur, all by default; faces out of their reach are never compared."""

    impostors: Span | None = None
    """Ages of the impostors, whatever `widest` would add; the bins around each target age if
    absent. `tm oneshot` sets it to its window."""

    @property
    def reach(self) -> Reach:
        """Which faces of a bank may be compared."""
        return Reach(self.ages, max(self.widest, self.radius), self.impostors)

    @abstractmethod
    def build(self, bank: Bank, device: torch.device) -> Miner:
        """The miner over the faces of a bank."""


def expand(value: object) -> object:
    """Replace the name of a profile, or a table with the key `profile`, by the profile's table.

    Keys beside `profile` override it, zeros included.
    """
    if isinstance(value, str):
        value = {"profile": value}
    if not isinstance(value, Mapping) or "profile" not in value:
        return cast(object, value)
    overrides = dict(cast(Mapping[str, Any], value))
    name = str(overrides.pop("profile"))
    if name not in PROFILES:
        raise fault_of(f"unknown miner profile `{name}`, known: {', '.join(PROFILES)}")
    return {**PROFILES[name].table, **overrides}


MinerValue = Annotated[SerializeAsAny[MinerChoice], one_of(MINERS, short=expand)]
"""The type of a miner in a recipe: the name of a profile, or a table."""


def similarities(cosines: Tensor, mask: Tensor) -> dict[str, Tensor]:
    """Mean, population deviation and quantiles of masked cosines (b, k); NaN for an empty mask."""
    count = mask.sum()
    mean = (cosines * mask).sum() / count
    deviation = (((cosines - mean) * mask).square().sum() / count).sqrt()
    levels = torch.tensor(list(QUANTILES.values())).to(cosines.device, non_blocking=True)
    values = torch.where(mask, cosines, torch.nan).flatten().nanquantile(levels)
    return {"sim_mean": mean, "sim_std": deviation, **dict(zip(QUANTILES, values, strict=True))}
