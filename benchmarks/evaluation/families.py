"""Ages by evaluators that differ in what they see, and how much of their error is blur.

`nano-age-evaluator` sees colours by convolutions, `nano-age-ordinal` luma alone, and answers for
every year whether the person is older, `nano-age-tokens` patches by attention. None is in a loss;
they learned from other people each, of the same drawn world.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchvision.transforms.functional import gaussian_blur

from engine.core.table import Table
from engine.metrics.bootstrap import mean_interval
from engine.metrics.energy import laplacian
from engine.trainings.age_evaluators import load_age_evaluator

FAMILIES = ("nano-age-evaluator", "nano-age-ordinal", "nano-age-tokens")
SIGMAS = tuple(0.3 + 0.05 * step for step in range(45))
"""Of which one makes the truth as soft as the outputs, in px."""
BATCH = 100
CPU = torch.device("cpu")


@torch.inference_mode()
def by_families(sets: Mapping[str, Tensor], years: NDArray[Any]) -> dict[str, Any]:
    """Age errors of pictures by every family, and the family by which `output` is worst.

    sets: pictures (n, k, 3, s, s) in [-1, 1] of n people at k ages, `output` and `truth` among
    them, by name; years: (n, k). Each error is a mean with its 95 % interval over people; `blur` is
    what blurring the truth to the sharpness of the outputs adds to its error.
    """
    soft, sigma = as_soft_as(sets["truth"], sets["output"])
    people = np.repeat(np.arange(len(years)), years.shape[1])
    result: dict[str, Any] = {"sigma_of_soft_truth": round(sigma, 2)}
    for family in FAMILIES:
        estimator = load_age_evaluator(family, networks=Table(), device=CPU)
        assert estimator is not None
        rows: dict[str, Any] = {}
        for name, pictures in {**sets, "soft_truth": soft}.items():
            flat = pictures.flatten(0, 1).split(BATCH)
            estimates = torch.cat([estimator.years(some) for some in flat]).numpy()
            off = estimates - years.ravel()
            rows[name] = {
                "error": _rounded(mean_interval(np.abs(off), groups=people)),
                "bias": _rounded(mean_interval(off, groups=people)),
                "mean_age": estimates.reshape(years.shape).mean(axis=0).round(1).tolist(),
            }
        rows["blur"] = round(rows["soft_truth"]["error"][0] - rows["truth"]["error"][0], 2)
        result[family] = rows
    excess = {f: result[f]["output"]["error"][0] - result[f]["truth"]["error"][0] for f in FAMILIES}
    return {**result, "worst": max(excess, key=lambda family: excess[family])}


def as_soft_as(truth: Tensor, output: Tensor) -> tuple[Tensor, float]:
    """The truth (n, k, 3, s, s) blurred until its mean sharpness is that of the output; the sigma.

    The truth itself, and 0, where it is the softer one.
    """
    aim, flat = _sharpness(output.flatten(0, 1)), truth.flatten(0, 1)
    if _sharpness(flat) <= aim:
        return truth, 0.0
    soft, sigma = flat, 0.0
    for sigma in SIGMAS:
        soft = gaussian_blur(flat, [2 * int(3 * sigma + 1) + 1] * 2, [sigma, sigma])
        if _sharpness(soft) <= aim:
            break
    return soft.view_as(truth), sigma


def _sharpness(pictures: Tensor) -> float:
    return float(laplacian(pictures).square().mean())


def _rounded(values: Sequence[float]) -> list[float]:
    return [round(value, 2) for value in values]
