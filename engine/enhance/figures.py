"""Metrics of an enhanced picture against its source, measured on copies of one size."""

from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from engine.core.places import weights_folder
from engine.enhance.chain import Enhanced
from engine.images.lab import to_lab
from engine.images.ranges import to_floats, to_tensor
from engine.nets.named import load_lpips
from engine.nets.protocols import Distance
from engine.weights.folder import status_of
from engine.weights.manifest import known_weights

SIDE = 768
"""Long side of the copies."""

LPIPS, COMPARED = "lpips-alex", 256
"""Weights of the distance, and the side it is taken at."""

Pixels = NDArray[np.uint8]


def installed_lpips() -> Distance | None:
    """LPIPS on the CPU, None if its backbone is not installed."""
    folder = weights_folder()
    installed = status_of(known_weights(folder)[LPIPS], folder).here
    return load_lpips(torch.device("cpu")) if installed else None


@torch.inference_mode()
def figures(
    source: Pixels, made: Pixels, enhanced: Enhanced, distance: Distance | None
) -> dict[str, Any]:
    """Metrics of small copies (h, w, 3) of the source and of the enhanced picture.

    L in 0..100 and chroma in CIELAB; sharpness is the variance of the Laplacian of the luma, in
    levels of 255, at the size of the source's copy.
    """
    height, width = source.shape[:2]
    made = np.asarray(cv2.resize(made, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    one, other = (to_lab(to_floats(np.ascontiguousarray(p)))[0] for p in (source, made))
    evaluator, comparison = enhanced.evaluator, enhanced.comparison
    why: dict[str, str] = {}
    if evaluator is None:
        why["identity"] = why["age_shift"] = "no face found"
    elif comparison.drift is None and evaluator.why_no_age is not None:
        why["age_shift"] = evaluator.why_no_age
    perceptual = None
    if distance is None:
        why["lpips"] = f"the weights `{LPIPS}` are missing"
    else:
        square = [np.asarray(cv2.resize(p, (COMPARED, COMPARED)), np.uint8) for p in (source, made)]
        perceptual = _round(float(distance(to_tensor(square[0]), to_tensor(square[1]))))
    changes = comparison.dump()
    metrics: dict[str, Any] = {
        "identity": changes["identity"],
        "age_shift": changes["age_drift"],
        "identity_by": None if evaluator is None else evaluator.identity_by,
        "age_by": None if evaluator is None else evaluator.age_by,
        "lpips": perceptual,
        "mean_abs_dL": _round(float((one[0] - other[0]).abs().mean())),
        "chroma_before": _round(float(one[1:].norm(dim=0).mean())),
        "chroma_after": _round(float(other[1:].norm(dim=0).mean())),
        "laplacian_var_before": _round(_sharpness(source)),
        "laplacian_var_after": _round(_sharpness(made)),
    }
    return metrics | ({"why_null": why} if why else {})


def _sharpness(pixels: Pixels) -> float:
    gray = cv2.cvtColor(np.ascontiguousarray(pixels), cv2.COLOR_RGB2GRAY)
    return float(cv2.Laplacian(gray, cv2.CV_32F).var())


def _round(value: float) -> float:
    return round(value, 3)
