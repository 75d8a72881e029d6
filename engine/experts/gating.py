"""The learned gate in place of confidences."""

from collections.abc import Mapping

import numpy as np
import torch

from engine.core.errors import UsageError
from engine.experts.mixture import Fusion, Mixture, Predictions, mixed
from engine.nets.age.gate import ORDER, AgeGate
from engine.nets.loading import frozen
from engine.weights.find import find_weights
from engine.weights.load import read_checkpoint


def gated(votes: Predictions, kinds: Mapping[str, str], fusion: Fusion) -> Mixture:
    """Fuse by the gate that the recipe names; experts it has no column for are left out.

    kinds: of each expert by name. Its spread is that of the votes: the gate tells none.
    """
    if fusion.gate is None:
        raise UsageError("`rule = 'gate'` needs `fusion.gate`, the name or file of its weights")
    gate = frozen(AgeGate.from_state(read_checkpoint(find_weights(fusion.gate)).part("gate")))
    column = {kind: place for place, kind in enumerate(ORDER)}
    known = [name for name in votes.experts if kinds[name] in column]
    places = [column[kinds[name]] for name in known]
    ages = np.full((len(votes), len(ORDER)), np.nan)
    chosen = votes.only(known)
    ages[:, places] = chosen.years
    with torch.inference_mode():
        weights, adjusted = gate(torch.from_numpy(ages).float())
    all_weights, all_ages = np.zeros_like(votes.years), np.full_like(votes.years, np.nan)
    own = [votes.experts.index(name) for name in known]
    all_weights[:, own] = np.nan_to_num(weights.double().numpy()[:, places])
    all_ages[:, own] = adjusted.double().numpy()[:, places]
    return mixed(all_ages, votes.spread, all_weights)
