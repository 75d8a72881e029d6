"""What a miner is, in a recipe and at work."""

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
from engine.miners.profiles import PROFILES
from engine.runtime.draws import Draws

MINERS: Registry["MinerChoice"] = Registry("miner", package="engine.miners")

QUANTILES = {"sim_p50": 0.5, "sim_p75": 0.75, "sim_p90": 0.9}


class Mined(NamedTuple):
    """The impostors of a batch, in fixed shapes: where there are fewer than k, the mask says so.

    embeddings: (b, k, width), zero where there is nobody; mask: bool (b, k), the impostors first;
    k_effective: int64 (b,), how many there are; told: scalars on the device.
    """

    embeddings: Tensor
    mask: Tensor
    k_effective: Tensor
    told: dict[str, Tensor]


class Miner(ABC):
    """Chooses impostors on the device that its bank is on; nothing waits for the host."""

    @abstractmethod
    def mine(self, anchors: Tensor, ages: Tensor, draws: Draws) -> Mined:
        """Impostors for unit vectors (b, width) at ages (b,) in years, one draw for each."""


class MinerChoice(Table, ABC):
    """A miner without its bank."""

    kind: str
    k: int = Field(default=64, ge=1)
    """Impostors for each face."""
    radius: int = Field(default=0, ge=0)
    """Bins on each side of the one the target age is in."""
    widest: int = Field(default=1, ge=0)
    """What `radius` may grow to where there are too few."""
    ages: Span | None = None
    """The target ages that occur, which spares the rest of the bank; all by default."""

    @abstractmethod
    def build(self, bank: Bank, device: torch.device) -> Miner:
        """The miner over the faces of a bank."""


def expand(value: object) -> object:
    """Turn the name of a profile, or a table with the key `profile`, into the table it means.

    What stands beside `profile` goes before it, zeros as well.
    """
    if isinstance(value, str):
        value = {"profile": value}
    if not isinstance(value, Mapping) or "profile" not in value:
        return cast(object, value)
    told = dict(cast(Mapping[str, Any], value))
    name = str(told.pop("profile"))
    if name not in PROFILES:
        raise fault_of(f"unknown miner profile `{name}`, known: {', '.join(PROFILES)}")
    return {**PROFILES[name].table, **told}


MinerValue = Annotated[SerializeAsAny[MinerChoice], one_of(MINERS, short=expand)]
"""The type of recipe keys that name a miner: a profile's name, or a table."""


def similarities(chosen: Tensor, mask: Tensor) -> dict[str, Tensor]:
    """Mean, spread and quantiles of the cosines (b, k) where there are any; NaN if there are none.

    The spread is that of a population, as the ancestor's.
    """
    count = mask.sum()
    mean = (chosen * mask).sum() / count
    spread = (((chosen - mean) * mask).square().sum() / count).sqrt()
    levels = torch.tensor(list(QUANTILES.values())).to(chosen.device, non_blocking=True)
    values = torch.where(mask, chosen, torch.nan).flatten().nanquantile(levels)
    return {"sim_mean": mean, "sim_std": spread, **dict(zip(QUANTILES, values, strict=True))}
