"""Whether a face is drawn by the portrait world or photographed, by dlib's identity descriptor.

What tells a drawing is the face and not its light: a dark, blurred or pale photograph stays one,
where the score of the nano encoder (`engine.evaluators.domain`) takes it for a drawing.
"""

import json
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from engine.faces.descriptor import Descriptor

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


def is_drawn(descriptor: Descriptor) -> bool:
    """Whether a face with that descriptor (128,) is drawn."""
    return drawn_score(descriptor) < THRESHOLD


def drawn_score(descriptor: Descriptor) -> float:
    """About 1 for a photograph and -1 for a drawn face."""
    weights, bias = _table()
    return float(descriptor @ weights) + bias


@cache
def _table() -> tuple[NDArray[np.float64], float]:
    table = json.loads(files("engine.shipped").joinpath(TABLE).read_text(encoding="utf-8"))
    return np.array(table["weights"], np.float64), float(table["bias"])
