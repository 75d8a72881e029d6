"""What a personal training adds to the lines of `checkpoints/timestamp.txt`."""

from collections.abc import Mapping, Sequence

from engine.losses.face.base import FaceLoss
from engine.miners.base import MinerChoice
from engine.schedules.constant import Constant
from engine.training.status_log import told_of

MINED = "/miner/"


def noted(
    losses: Sequence[FaceLoss],
    miner: MinerChoice | None,
    step: int,
    figures: Mapping[str, float],
) -> dict[str, str]:
    """`mb`: what the miner met since the last row; `weight`: those that change, and ROI's always.

    The band is the one asked for; `band_low` is how far its floor fell on average.
    """
    told: dict[str, str] = {}
    met = {key.rpartition(MINED)[2]: value for key, value in figures.items() if MINED in key}
    if miner is not None and met:
        low, high = getattr(miner, "low", None), getattr(miner, "high", None)
        band = [f"band=[{low:g},{high:g}]"] if low is not None and high is not None else []
        ages = [f"ages={miner.ages}"] if miner.ages is not None else []
        told["mb"] = " ".join([f"k={miner.k}", *band, *ages, told_of(met)])
    weights = {
        loss.name: loss.weight.at(step)
        for loss in losses
        if loss.kind == "roi_id" or not isinstance(loss.weight, Constant)
    }
    if weights:
        told["weight"] = told_of(weights)
    return told
