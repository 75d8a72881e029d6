"""Uniform mining: impostors of the target age, whatever their similarity."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from engine.banks.bank import Bank
from engine.miners.age_rows import AgeRows
from engine.miners.base import MINERS, Mined, Miner, MinerChoice, similarities
from engine.runtime.draws import Draws


@MINERS.register("uniform")
class Uniform(MinerChoice):
    """Every face of the target age with the same probability.

    Where the age rows hold too few (with replacement: none), `radius` grows up to `widest`; then
    there are fewer than k, and the rest is masked.
    """

    kind: Literal["uniform"] = "uniform"
    replacement: bool = False
    """Whether a face may be drawn twice."""

    def build(self, bank: Bank, device: torch.device) -> Miner:
        return UniformMiner(AgeRows.of(bank, device, self.reach), self)


@dataclass(frozen=True, slots=True, eq=False)
class UniformMiner(Miner):
    """Uniform draws over the age rows."""

    rows: AgeRows
    choice: Uniform

    @torch.no_grad()
    def mine(self, anchors: Tensor, ages: Tensor, draws: Draws) -> Mined:
        choice, device = self.choice, anchors.device
        enough = 1 if choice.replacement else choice.k
        start, end = self.rows.within(ages, choice.radius)
        relaxed = torch.zeros_like(start, dtype=torch.bool)
        for radius in range(choice.radius + 1, choice.widest + 1):
            short = end - start < enough
            wider = self.rows.within(ages, radius)
            start, end = torch.where(short, wider.start, start), torch.where(short, wider.end, end)
            relaxed = relaxed | short
        count = end - start
        if choice.replacement:
            keys = draws.uniform("impostors", choice.k).to(device, non_blocking=True)
            # A float32 below 1 may round up to the count itself.
            picked = start[:, None] + torch.minimum(
                (keys * count[:, None]).long(), (count - 1).clamp(min=0)[:, None]
            )
            mask = (count > 0)[:, None].expand(-1, choice.k)
        else:
            picked, mask = _drawn(start, count, choice.k, draws, device)
        picked = picked.clamp(0, len(self.rows) - 1)
        chosen = self.rows.embeddings[picked] * mask[..., None]
        with torch.autocast(device.type, enabled=False):
            cosines = (chosen @ anchors.float()[..., None])[..., 0]
        metrics = {
            "candidate_count": count.float().mean(),
            **similarities(cosines, mask),
            "k_effective": mask.sum(dim=1).float().mean(),
            "relaxed": relaxed.float().mean(),
        }
        return Mined(chosen, mask, mask.sum(dim=1), metrics)


def _drawn(
    start: Tensor, count: Tensor, k: int, draws: Draws, device: torch.device
) -> tuple[Tensor, Tensor]:
    """`k` different rows of each range, int64 (b, k), and their mask.

    Floyd's sampling (Bentley and Floyd 1987): k draws for any count, where shuffling the rows
    would take a draw for each of them.
    """
    keys = draws.uniform("impostors", k).to(device, non_blocking=True)
    picked = torch.full((len(start), k), -1, dtype=torch.int64, device=device)
    for index in range(k):
        top = count - k + index
        # With fewer than k rows, the last draws are the whole range, once each.
        drawn = torch.minimum((keys[:, index] * (top + 1)).long(), top).clamp(min=-1)
        taken = (picked == drawn[:, None]).any(dim=1)
        picked[:, index] = torch.where(taken, top, drawn)
    picked = picked.flip(1)  # the padding comes last
    return start[:, None] + picked, picked >= 0
