"""Whether a face is drawn by the portrait world or photographed, by dlib's identity descriptor.

What tells a drawing is the face and not its light: a dark, blurred or pale photograph stays one,
where the score of the nano encoder, which was used before, takes it for a drawing.
"""

import json
from functools import cache
from importlib.resources import files

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.data.domains import Domain
from engine.faces.descriptor import Descriptor
from engine.nets.loading import frozen
from engine.nets.photos.dlib_resnet import load_dlib_resnet

TABLE = "drawn-faces.json"
"""A linear function of the descriptor, in `engine/shipped`: `benchmarks/domains.py` fits it."""
THRESHOLD = -0.15
"""Below it a face is drawn. The function was fitted to be 1 for photographs and -1 for drawings.

Of 104 `train` people, each as they are, blurred, dark, pale and grey, none has less than .26; of
150 drawn people none has more than -.27. It lies nearer to those, for what `tm` rendered is known
by the note in its file; a drawing that is blurred and has no note may pass for a photograph.

`benchmarks/domains.py exam`: none of 210 pictures of `test` people is taken for a drawing, however
spoilt; by the nano encoder 4 are as they are, 100 blurred, 199 pale and all that are dark. Of 100
drawn people from 900,500 on all are drawn, 95 when blurred, 97 when noisy.
"""


def domain_of(*descriptors: Descriptor) -> Domain:
    """The domain of one face by its descriptor (128,), or of a set of faces by their median."""
    score = float(np.median([drawn_score(descriptor) for descriptor in descriptors]))
    return "portraits" if score < THRESHOLD else "photos"


class DomainClassifier:
    """The domains of many faces at once, by dlib's descriptor network in torch."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.net = frozen(load_dlib_resnet()).to(device)

    @torch.inference_mode()
    def classify(self, chips: Tensor) -> list[Domain]:
        """The domain of each of dlib's chips (b, 3, 150, 150) in [-1, 1], margin .25."""
        descriptors = self.net(chips.to(self.device)).float().cpu().numpy()
        return [domain_of(descriptor) for descriptor in descriptors]


def drawn_score(descriptor: Descriptor) -> float:
    """About 1 for a photograph and -1 for a drawn face."""
    weights, bias = _table()
    return float(descriptor @ weights) + bias


@cache
def _table() -> tuple[NDArray[np.float64], float]:
    table = json.loads(files("engine.shipped").joinpath(TABLE).read_text(encoding="utf-8"))
    return np.array(table["weights"], np.float64), float(table["bias"])
