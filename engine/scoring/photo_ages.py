"""Ages of photographs by the small experts, which are in no loss: each alone, and their mixture."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from engine.core.errors import MissingWeightsError
from engine.experts.base import Faces
from engine.experts.kinds.age_cc0 import AgeCc0Table
from engine.experts.kinds.face_api import FaceApiTable
from engine.experts.kinds.faceres import FaceResTable
from engine.experts.mixture import Predictions, corrected, fuse
from engine.faces.rotation import Pixels
from engine.relabel.calibrations import PHOTO, read_calibrations
from engine.relabel.inference import Ensemble

BATCH = 32
Years = NDArray[np.float64]


class PhotoAges:
    """`age-cc0`, in the package, with `face-api` and `faceres` where their weights are here.

    All are corrected by the calibration that ships for them, and mixed as `tm relabel` mixes them.
    WeightsError for weights that are here and damaged.
    """

    def __init__(self, device: torch.device) -> None:
        self._ensemble = Ensemble.load([AgeCc0Table(), FaceApiTable(), FaceResTable()], device)
        for error in self._ensemble.absent.values():
            if not isinstance(error, MissingWeightsError):
                raise error
        self._calibration = read_calibrations(PHOTO, self._ensemble)["photos"]
        self.experts = tuple(self._ensemble.experts)
        self.name = mixture_name(self.experts)

    @torch.inference_mode()
    def years(
        self, faces: Sequence[Pixels], points: Sequence[NDArray[np.floating]]
    ) -> dict[str, Years]:
        """Ages (n,) of aligned RGB faces (s, s, 3) with points (68, 2) each, by each name.

        The first is that of the mixture, or of the only expert.
        """
        parts = [
            self._predicted(faces[at : at + BATCH], points[at : at + BATCH])
            for at in range(0, len(faces), BATCH)
        ]
        values = np.concatenate(parts, axis=1)
        predictions = Predictions(self.experts, values[0], values[1], values[2])
        ages, _ = corrected(predictions, self._calibration)
        alone = {name: ages[:, at] for at, name in enumerate(self.experts)}
        return {self.name: fuse(predictions, self._calibration).age, **alone}

    def _predicted(
        self, faces: Sequence[Pixels], points: Sequence[NDArray[np.floating]]
    ) -> NDArray[np.float64]:
        """Years, spreads and confidences (3, n, experts)."""
        shown = Faces(faces, landmarks=points)
        each = [expert.predict(shown) for expert in self._ensemble.experts.values()]
        columns = [torch.stack([one.years, one.spread, one.confidence]).double() for one in each]
        return torch.stack(columns, dim=2).numpy(force=True)


def mixture_name(experts: Sequence[str]) -> str:
    """The name of one expert, or of the mixture of several.

    >>> mixture_name(["age-cc0"]), mixture_name(["age-cc0", "faceres"])
    ('age-cc0', 'mixture of age-cc0 and faceres')
    """
    first, *others = experts
    if not others:
        return first
    return f"mixture of {', '.join([first, *others[:-1]])} and {others[-1]}"
