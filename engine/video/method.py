"""The interface of what ages the frames of a clip: it knows faces, and nothing of time."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from engine.faces.detect import Face
from engine.faces.rotation import Pixels

Measures = Mapping[str, NDArray[np.floating]]
"""Arrays by name, NaN where a frame says nothing; they can be averaged over frames."""


class FrameMethod(Protocol):
    """Ages frames; what is averaged, over a shot or over the frames nearby, is done elsewhere."""

    @property
    def name(self) -> str:
        """Of the model."""
        ...

    @property
    def stride(self) -> int:
        """Every how many frames `look` is called."""
        ...

    @property
    def look_spreads(self) -> Mapping[str, float]:
        """Sigma in seconds over which each array of `look` is averaged."""
        ...

    @property
    def change_spreads(self) -> Mapping[str, float]:
        """Sigma in seconds over which each array of `change` is averaged."""
        ...

    @property
    def change_apart(self) -> float:
        """Seconds between the frames in which `change` is called; 0 for every frame."""
        ...

    def measure(self, pixels: Pixels, face: Face) -> Measures:
        """What a frame (h, w, 3) says of its whole shot."""
        ...

    def settle(self, whole: Measures) -> None:
        """Learn the means over all measured frames; PictureError for a clip that is refused."""
        ...

    def look(self, pixels: Pixels, face: Face) -> Measures:
        """What is averaged with the frames nearby."""
        ...

    def prepared(self, pixels: Pixels, face: Face, look: Measures, shot: Measures) -> Any:
        """What the next two need of a frame, given the means of the looks nearby and of its
        shot."""
        ...

    def change(self, prepared: Any) -> Measures:
        """What changes in a frame, to be averaged with the frames nearby."""
        ...

    def pictures(self, prepared: Any, means: Measures) -> Sequence[Pixels]:
        """The frame at each age, given the means of the changes nearby."""
        ...

    def evaluated(self, picture: Pixels, face: Face, age: float) -> dict[str, Any]:
        """`predicted_age`, `identity` and by whom, of an aged frame."""
        ...

    def facts(self, age: float) -> dict[str, Any]:
        """What the row of a target age says of the person: `extrapolated_years` and more."""
        ...


class Means:
    """Running means of measures that may be NaN."""

    def __init__(self) -> None:
        self._sums: dict[str, NDArray[np.float64]] = {}
        self._counts: dict[str, NDArray[np.float64]] = {}

    def add(self, measures: Measures) -> None:
        """Take in the measures of one more frame."""
        for name, value in measures.items():
            known = np.isfinite(value)
            self._sums[name] = self._sums.get(name, 0.0) + np.where(known, value, 0.0)
            self._counts[name] = self._counts.get(name, 0.0) + known

    def values(self) -> dict[str, NDArray[np.floating]]:
        """The means; NaN where no frame said anything."""
        return {
            name: np.where(
                self._counts[name] > 0, total / np.maximum(self._counts[name], 1), np.nan
            ).astype(np.float32)
            for name, total in self._sums.items()
        }
