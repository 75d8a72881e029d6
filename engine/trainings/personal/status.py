"""The groups that a personal training adds to the lines of `checkpoints/timestamp.txt`."""

from collections.abc import Mapping, Sequence

from engine.losses.face.base import FaceLoss
from engine.miners.base import MinerChoice
from engine.schedules.constant import Constant
from engine.training.status_log import format_metrics

MINER = "/miner/"


def status_groups(
    losses: Sequence[FaceLoss],
    miner: MinerChoice | None,
    step: int,
    metrics: Mapping[str, float],
) -> dict[str, str]:
    """`mb`: the miner since the last row; `weight`: the weights that change, and that of `roi_id`;
    `roi`: pairs of crops by landmarks in a step.

    `band` is the miner's setting; `band_low` is the mean lower bound that it fell back to.
    """
    groups: dict[str, str] = {}
    mined = {key.rpartition(MINER)[2]: value for key, value in metrics.items() if MINER in key}
    if miner is not None and mined:
        low, high = getattr(miner, "low", None), getattr(miner, "high", None)
        band = [f"band=[{low:g},{high:g}]"] if low is not None and high is not None else []
        ages = [f"ages={miner.ages}"] if miner.ages is not None else []
        groups["mb"] = " ".join([f"k={miner.k}", *band, *ages, format_metrics(mined)])
    weights = {
        loss.name: loss.weight.at(step)
        for loss in losses
        if loss.kind == "roi_id" or not isinstance(loss.weight, Constant)
    }
    if weights:
        groups["weight"] = format_metrics(weights)
    pairs = {key.rpartition("/")[2]: n for key, n in metrics.items() if "/roi_pairs_" in key}
    if pairs:
        groups["roi"] = format_metrics(pairs)
    return groups


def miner_warnings(miner: MinerChoice | None, metrics: Mapping[str, float]) -> list[str]:
    """A sentence where every step since the last row had to take other impostors than asked for."""
    relaxed = [value for key, value in metrics.items() if key.endswith(f"{MINER}relaxed")]
    if miner is None or not relaxed or min(relaxed) < 1:
        return []
    return [
        f"no step since the last row found {miner.k} impostors of its target ages in the miner's"
        " band: others are taken, or fewer (`candidate_count` and `band_low` of the journal; `tm"
        " bank info` lists the ages of the bank)"
    ]
