"""Fusion by a learned gate in place of the confidences."""

from collections.abc import Mapping

import numpy as np
import torch

from engine.core.errors import UsageError
from engine.experts.mixture import Fusion, Mixture, Predictions, mix
from engine.nets.age.gate import ORDER, AgeGate
from engine.nets.loading import frozen
from engine.weights.find import find_weights
from engine.weights.load import read_checkpoint


def fuse_by_gate(predictions: Predictions, kinds: Mapping[str, str], fusion: Fusion) -> Mixture:
    """Fuse by the gate that the recipe names; experts it has no column for are left out.

    kinds: the kind of each expert by name. The spread is that of the predictions.
    UsageError without a gate in `fusion`.
    """
    if fusion.gate is None:
        raise UsageError("`rule = 'gate'` needs `fusion.gate`, the name or file of its weights")
    gate = frozen(AgeGate.from_state(read_checkpoint(find_weights(fusion.gate)).part("gate")))
    column = {kind: at for at, kind in enumerate(ORDER)}
    known = [name for name in predictions.experts if kinds[name] in column]
    columns = [column[kinds[name]] for name in known]
    ages = np.full((len(predictions), len(ORDER)), np.nan)
    selected = predictions.only(known)
    ages[:, columns] = selected.years
    with torch.inference_mode():
        weights, adjusted = gate(torch.from_numpy(ages).float())
    all_weights, all_ages = (
        np.zeros_like(predictions.years),
        np.full_like(predictions.years, np.nan),
    )
    own = [predictions.experts.index(name) for name in known]
    all_weights[:, own] = np.nan_to_num(weights.double().numpy()[:, columns])
    all_ages[:, own] = adjusted.double().numpy()[:, columns]
    return mix(all_ages, predictions.spread, all_weights)
