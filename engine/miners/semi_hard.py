"""Semi-hard mining: impostors of the target age that are similar, but not the same person."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor
from torch.nn.functional import pad

from engine.banks.bank import FIRST, Bank
from engine.miners.age_index import AgeIndex, Pool
from engine.miners.age_rows import AgeRows, Rows
from engine.miners.base import MINERS, Mined, Miner, MinerChoice, similarities
from engine.runtime.draws import Draws


class Stage(NamedTuple):
    """One step of the relaxation: age bins on each side, and the floor of the band."""

    radius: int
    low: float


@MINERS.register("semi_hard")
class SemiHard(MinerChoice):
    """k of the `top_m` most similar faces of the target age whose cosine is in [low, high].

    Filtered by age, then by the band, then by similarity, then sampled. Where fewer than k are
    left, in this order: the radius grows bin by bin up to `widest`; the floor of the band falls by
    `relax_step` at a time down to `floor`; then there are fewer than k, and the rest is masked.
    """

    kind: Literal["semi_hard"] = "semi_hard"
    low: float = Field(default=0.20, ge=-1, le=1)
    """Least cosine of an impostor: higher takes harder ones."""
    high: float = Field(default=0.70, ge=-1, le=1)
    """Largest cosine: above it the same person is feared."""
    top_m: int = Field(default=512, ge=1)
    """Of the most similar so many the `k` are drawn."""
    relax_step: float = Field(default=0.05, gt=0)
    """How far `low` falls at a time where there are too few."""
    floor: float = Field(default=0.05, ge=-1, le=1)
    """How far it falls at most."""
    engine: Literal["exact", "faiss"] = "exact"
    """`exact` compares with every face in reach, on the device; `faiss` searches bin by bin on the
    processor, from 200,000 faces on in a part of each bin: most of the most similar, not all."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.low > self.high:
            raise ValueError(f"the band {self.low:g}..{self.high:g} ends before it begins")
        if self.top_m < self.k:
            raise ValueError(f"`top_m` is {self.top_m}, fewer than `k`, {self.k}")
        return self

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The steps of the relaxation, strictest first."""
        widest = max(self.widest, self.radius)
        wider = [Stage(radius, self.low) for radius in range(self.radius, widest + 1)]
        # Rounded: in floats 0.25 - 4 * 0.05 > 0.05.
        steps = max(0, int(round((self.low - self.floor) / self.relax_step, 6)))
        lower = [
            Stage(widest, round(self.low - step * self.relax_step, 6))
            for step in range(1, steps + 1)
        ]
        return (*wider, *lower)

    def build(self, bank: Bank, device: torch.device) -> Miner:
        if self.engine == "exact":
            return SemiHardMiner(AgeRows.of(bank, device, self.reach), self)
        rows = AgeRows.of(bank, torch.device("cpu"), self.reach)
        return SemiHardMiner(rows, self, AgeIndex.of(rows))


@dataclass(frozen=True, slots=True, eq=False)
class SemiHardMiner(Miner):
    """One matrix product with the age rows, or a search in their index; then masks.

    index: searched on the processor, which waits for the device; None for the matrix product.
    """

    rows: AgeRows
    choice: SemiHard
    index: AgeIndex | None = None

    @torch.no_grad()
    def mine(self, anchors: Tensor, ages: Tensor, draws: Draws) -> Mined:
        choice, stages, device = self.choice, self.choice.stages, anchors.device
        if self.index is not None:
            anchors, ages = anchors.float().cpu(), ages.cpu()
        cosines, places = self._pool(anchors, ages)
        by_radius = {stage.radius: self.rows.within(ages, stage.radius) for stage in stages}
        counts = torch.stack(
            [
                _candidates(cosines, places, by_radius[stage.radius], stage.low, choice.high).sum(
                    dim=1
                )
                for stage in stages
            ]
        )
        reached = _first_with(counts >= choice.k)
        rows, low = _relaxed(stages, by_radius, reached, cosines)
        candidates = _candidates(cosines, places, rows, low[:, None], choice.high)
        top = min(choice.top_m, len(self.rows))
        if (lacking := top - cosines.shape[1]) > 0:
            cosines = pad(cosines, (0, lacking))
            candidates, places = (pad(one, (0, lacking)) for one in (candidates, places))
        highest, index = cosines.masked_fill(~candidates, -torch.inf).topk(top, dim=1)
        keys = draws.uniform("impostors", top).to(anchors.device, non_blocking=True)
        keys, order = keys.masked_fill(highest == -torch.inf, -1).topk(min(choice.k, top), dim=1)
        missing = choice.k - keys.shape[1]
        mask = pad(keys >= 0, (0, missing))
        picked = pad(index.gather(1, order), (0, missing))
        chosen = torch.where(mask, cosines.gather(1, picked), 0.0)
        impostors = self.rows.embeddings[places.expand_as(cosines).gather(1, picked)]
        k_effective = mask.sum(dim=1)
        metrics = {
            "candidate_count": counts[0].float().mean(),
            **similarities(chosen, mask),
            "k_effective": k_effective.float().mean(),
            "relaxed": (reached > 0).float().mean(),
            "band_low": low.mean(),
        }
        return Mined(
            (impostors * mask[..., None]).to(device),
            mask.to(device),
            k_effective.to(device),
            {name: value.to(device) for name, value in metrics.items()},
        )

    def _pool(self, anchors: Tensor, ages: Tensor) -> Pool:
        """Faces to choose from: all in reach, or of each bin in reach the most similar."""
        if self.index is None:
            with torch.autocast(anchors.device.type, enabled=False):
                cosines = anchors.float() @ self.rows.embeddings.T
            return Pool(cosines, torch.arange(len(self.rows), device=cosines.device)[None])
        choice = self.choice
        reached = self.rows.within(ages, max(stage.radius for stage in choice.stages))
        return self.index.search(anchors, reached, choice.top_m, choice.high)


def _candidates(
    cosines: Tensor, places: Tensor, rows: Rows, low: float | Tensor, high: float
) -> Tensor:
    """Which of cosines (b, p), of the rows `places`, are in the age rows and the band: bool."""
    inside = (places >= rows.start[:, None]) & (places < rows.end[:, None])
    return inside & (cosines >= low) & (cosines <= high)


def _first_with(enough: Tensor) -> Tensor:
    """The first stage of (stages, b) with enough candidates, else the last: int64 (b,)."""
    last = len(enough) - 1
    return torch.where(enough.any(dim=0), enough.to(torch.uint8).argmax(dim=0), last)


def _relaxed(
    stages: Sequence[Stage], by_radius: dict[int, Rows], reached: Tensor, cosines: Tensor
) -> tuple[Rows, Tensor]:
    """The age rows and the floors (b,) of the stages that the faces have reached."""
    starts = torch.stack([by_radius[stage.radius].start for stage in stages])
    ends = torch.stack([by_radius[stage.radius].end for stage in stages])
    lows = torch.tensor([stage.low for stage in stages], dtype=cosines.dtype)
    lows = lows.to(cosines.device, non_blocking=True)
    own = reached[None]
    return Rows(starts.gather(0, own)[0], ends.gather(0, own)[0]), lows[reached]


@torch.no_grad()
def mine_reference(
    bank: Bank, choice: SemiHard, anchors: Tensor, ages: Tensor, draws: Draws
) -> Mined:
    """Reference implementation of `SemiHardMiner`, face by face and row by row, without metrics."""
    keys = draws.uniform("impostors", choice.top_m)
    faces: list[Tensor] = []
    for anchor, age, key in zip(anchors, ages.tolist(), keys, strict=True):
        candidates: list[tuple[float, Tensor]] = []
        for stage in choice.stages:
            candidates = [
                (float(anchor @ row), row)
                for row, years in zip(bank.embeddings, bank.ages.tolist(), strict=True)
                if abs(_bin(years, bank) - _bin(age, bank)) <= stage.radius
                and stage.low <= float(anchor @ row) <= choice.high
            ]
            if len(candidates) >= choice.k:
                break
        hardest = sorted(candidates, key=lambda one: -one[0])[: choice.top_m]
        drawn = sorted(range(len(hardest)), key=lambda index: -float(key[index]))[: choice.k]
        rows = [hardest[index][1] for index in drawn]
        faces.append(torch.stack(rows + [torch.zeros(bank.width)] * (choice.k - len(rows))))
    embeddings = torch.stack(faces)
    mask = embeddings.norm(dim=2) > 0
    return Mined(embeddings, mask, mask.sum(dim=1), {})


def _bin(age: float, bank: Bank) -> float:
    return (age - FIRST) // bank.bin_size
