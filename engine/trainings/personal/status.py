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
    """`mb`: the miner since the last row; `weight`: the weights that change, and that of `roi_id`.

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
    return groups
