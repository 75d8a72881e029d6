"""What enhancement did to a picture, in figures; measured on copies of one size."""

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


def lpips_here() -> Distance | None:
    """LPIPS on the processor, if the backbone it needs is among the weights here."""
    folder = weights_folder()
    here = status_of(known_weights(folder)[LPIPS], folder).here
    return load_lpips(torch.device("cpu")) if here else None


@torch.inference_mode()
def figures(
    source: Pixels, made: Pixels, enhanced: Enhanced, distance: Distance | None
) -> dict[str, Any]:
    """Figures of small copies (h, w, 3) of the source and of what was made of it.

    L in 0..100 and chroma in CIELAB; sharpness is the variance of the Laplacian of the luma, in
    levels of 255, at the size of the source's copy.
    """
    height, width = source.shape[:2]
    made = np.asarray(cv2.resize(made, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    one, other = (to_lab(to_floats(np.ascontiguousarray(p)))[0] for p in (source, made))
    witness, verdict = enhanced.witness, enhanced.verdict
    why: dict[str, str] = {}
    if witness is None:
        why["identity"] = why["age_shift"] = "no face found"
    elif verdict.drift is None and witness.why_no_age is not None:
        why["age_shift"] = witness.why_no_age
    apart = None
    if distance is None:
        why["lpips"] = f"the weights `{LPIPS}` are missing"
    else:
        square = [np.asarray(cv2.resize(p, (COMPARED, COMPARED)), np.uint8) for p in (source, made)]
        apart = _round(float(distance(to_tensor(square[0]), to_tensor(square[1]))))
    told: dict[str, Any] = {
        "identity": verdict.told()["identity"],
        "age_shift": verdict.told()["age_drift"],
        "identity_by": None if witness is None else witness.identity_by,
        "age_by": None if witness is None else witness.age_by,
        "lpips": apart,
        "mean_abs_dL": _round(float((one[0] - other[0]).abs().mean())),
        "chroma_before": _round(float(one[1:].norm(dim=0).mean())),
        "chroma_after": _round(float(other[1:].norm(dim=0).mean())),
        "laplacian_var_before": _round(_sharpness(source)),
        "laplacian_var_after": _round(_sharpness(made)),
    }
    return told | ({"why_null": why} if why else {})


def _sharpness(pixels: Pixels) -> float:
    gray = cv2.cvtColor(np.ascontiguousarray(pixels), cv2.COLOR_RGB2GRAY)
    return float(cv2.Laplacian(gray, cv2.CV_32F).var())


def _round(value: float) -> float:
    return round(value, 3)
